package datagram_test

import (
	"fmt"
	"log"
	"net"

	"github.com/backstop-fund/backstop/core/udptick/datagram"
)

// Two datagrams on their way are received in the order in which they were sent.
func Example() {
	socket, err := datagram.Listen(datagram.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	publisher, err := net.Dial("udp", socket.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(publisher, "58000.5")
	fmt.Fprint(publisher, "58001.0")
	for n := 0; n < 2; {
		batch, err := socket.Receive()
		if err != nil {
			log.Fatal(err)
		}
		for _, d := range batch {
			fmt.Printf("%s from %v\n", d.Data, d.From.Addr())
			n++
		}
	}
	fmt.Println("dropped:", socket.Status().Dropped)
	if err := publisher.Close(); err != nil {
		log.Fatal(err)
	}
	if err := socket.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 58000.5 from 127.0.0.1
	// 58001.0 from 127.0.0.1
	// dropped: 0
}
