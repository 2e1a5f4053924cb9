package udptick

import (
	"encoding/xml"
	"maps"
	"os"
	"strconv"
	"testing"
)

// sbeSchema is what a code generator reads of schema.xml.
type sbeSchema struct {
	ID        uint64 `xml:"id,attr"`
	Version   uint64 `xml:"version,attr"`
	ByteOrder string `xml:"byteOrder,attr"`
	Types     []struct {
		Name      string `xml:"name,attr"`
		Primitive string `xml:"primitiveType,attr"`
		Length    string `xml:"length,attr"`
	} `xml:"types>type"`
	Composites []struct {
		Name  string `xml:"name,attr"`
		Types []struct {
			Name      string `xml:"name,attr"`
			Primitive string `xml:"primitiveType,attr"`
		} `xml:"type"`
	} `xml:"types>composite"`
	Sets []struct {
		Name     string `xml:"name,attr"`
		Encoding string `xml:"encodingType,attr"`
		Choices  []struct {
			Name string `xml:"name,attr"`
			Bit  int    `xml:",chardata"`
		} `xml:"choice"`
	} `xml:"types>set"`
	Messages []struct {
		Name        string `xml:"name,attr"`
		ID          uint64 `xml:"id,attr"`
		BlockLength int    `xml:"blockLength,attr"`
		Fields      []struct {
			Name   string `xml:"name,attr"`
			Type   string `xml:"type,attr"`
			Offset int    `xml:"offset,attr"`
		} `xml:"field"`
	} `xml:"message"`
}

func readSchema(t *testing.T) (s sbeSchema) {
	b, err := os.ReadFile("schema.xml")
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.ByteOrder != "littleEndian" {
		t.Fatalf("byte order %q", s.ByteOrder)
	}
	return s
}

var primitiveSizes = map[string]int{
	"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
}

// sizes are those of the schema's own types.
func (s *sbeSchema) sizes(t *testing.T) map[string]int {
	sizes := map[string]int{}
	for _, ty := range s.Types {
		length := 1
		if ty.Length != "" {
			var err error
			if length, err = strconv.Atoi(ty.Length); err != nil {
				t.Fatal(err)
			}
		}
		sizes[ty.Name] = primitiveSizes[ty.Primitive] * length
	}
	for _, set := range s.Sets {
		sizes[set.Name] = primitiveSizes[set.Encoding]
	}
	return sizes
}

// Ids, offsets and sizes of the messages in schema.xml are those of the code, and
// their fields fill their blocks without a hole.
func TestSchemaMessages(t *testing.T) {
	schema := readSchema(t)
	sizes := schema.sizes(t)
	want := map[string]struct {
		header  uint64
		offsets map[string]int // in the message, its header included
		size    int
	}{
		"Tick": {tickHeader, map[string]int{
			"instrumentId": instrumentAt, "flags": flagsAt, "exponent": exponentAt, "padding": exponentAt + 1,
			"markPrice": markAt, "indexPrice": indexAt, "transactTime": timeAt,
		}, TickSize},
		"RetransmitRequest": {requestHeader, map[string]int{
			"beginSeqNum": tickHeaderSize, "reqMessageCount": tickHeaderSize + requestCountAt,
			"padding": tickHeaderSize + requestCountAt + 2,
		}, requestSize},
	}
	for _, m := range schema.Messages {
		w, ok := want[m.Name]
		if !ok {
			t.Fatalf("message %s is not in the code", m.Name)
		}
		delete(want, m.Name)
		if header := uint64(m.BlockLength) | m.ID<<16 | schema.ID<<32 | schema.Version<<48; header != w.header {
			t.Errorf("%s: header is %#x, the code's %#x", m.Name, header, w.header)
		}
		at := 0
		for _, f := range m.Fields {
			size := sizes[f.Type]
			if offset, ok := w.offsets[f.Name]; !ok || offset != tickHeaderSize+f.Offset || f.Offset != at || size == 0 {
				t.Errorf("%s.%s: %d bytes at %d of the block, after %d bytes; in the code at %d of the message",
					m.Name, f.Name, size, f.Offset, at, offset)
			}
			delete(w.offsets, f.Name)
			at += size
		}
		if at != m.BlockLength || tickHeaderSize+at != w.size || len(w.offsets) > 0 {
			t.Errorf("%s: fields of %d bytes, block of %d, %d in the code with its header; missing %v",
				m.Name, at, m.BlockLength, w.size, w.offsets)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the schema: %v", want)
	}
}

// So are the headers of sbe24.
func TestSchemaHeaders(t *testing.T) {
	schema := readSchema(t)
	want := map[string]map[string]int{
		"messageHeader": {"blockLength": 0, "templateId": 2, "schemaId": 4, "version": 6, "": tickHeaderSize},
		"packetHeader": {"sendingTime": 0, "seqNum": sequence24At, "channelId": channel24At,
			"packetType": type24At, "messageCount": count24At, "": packetHeader24},
		"mdMessageHeader": {"messageLength": 0, "templateId": template24At, "version": version24At,
			"flags": flags24At, "transactTime": time24At, "": messageHeader24},
	}
	for _, c := range schema.Composites {
		got, at := map[string]int{}, 0
		for _, f := range c.Types {
			got[f.Name] = at
			at += primitiveSizes[f.Primitive]
		}
		got[""] = at // the size
		if !maps.Equal(got, want[c.Name]) {
			t.Errorf("%s: %v in the schema, %v in the code", c.Name, got, want[c.Name])
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		t.Errorf("not in the schema: %v", want)
	}
}

// And the sets of bits.
func TestSchemaSets(t *testing.T) {
	schema := readSchema(t)
	want := map[string]map[string]int{
		"TickFlags":    {"halted": int(Halted), "snapshot": int(Snapshot), "suspect": int(Suspect)},
		"PacketType":   {"incremental": int(Incremental), "snapshot": int(FullState), "retransmit": int(Retransmit)},
		"MessageFlags": {"startOfTransaction": wholeTransaction & 1, "endOfTransaction": wholeTransaction & 2},
	}
	for _, s := range schema.Sets {
		got := map[string]int{}
		for _, c := range s.Choices {
			got[c.Name] = 1 << c.Bit
		}
		if !maps.Equal(got, want[s.Name]) {
			t.Errorf("%s: %v in the schema, %v in the code", s.Name, got, want[s.Name])
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("not in the schema: %v", want)
	}
}
