package pcap_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/netip"

	"github.com/backstop-fund/backstop/cmd/internal/pcap"
)

// What is written is read again.
func Example() {
	var file bytes.Buffer
	w, err := pcap.NewWriter(&file)
	if err != nil {
		log.Fatal(err)
	}
	publisher, group := netip.MustParseAddrPort("10.1.2.3:26400"), netip.MustParseAddrPort("239.255.26.40:26400")
	for i, text := range []string{"58000.5", "58001.0"} {
		if err := w.Write(pcap.Datagram{Nanos: int64(i) * 1e9, From: publisher, To: group, Data: []byte(text)}); err != nil {
			log.Fatal(err)
		}
	}
	r, err := pcap.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	for {
		d, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s from %v to %v\n", d.Nanos, d.Data, d.From, d.To)
	}
	// Output:
	// 0: 58000.5 from 10.1.2.3:26400 to 239.255.26.40:26400
	// 1000000000: 58001.0 from 10.1.2.3:26400 to 239.255.26.40:26400
}
