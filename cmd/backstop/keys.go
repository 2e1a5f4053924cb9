package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/backstop-fund/backstop/cmd/internal/exit"
	"github.com/backstop-fund/backstop/core/udptick"
)

// readKeys reads a file of keys: a line each, of an id, a blank and the secret in
// hexadecimal digits. Empty lines and those that begin with # are passed over. A
// file that others can read holds no secret.
func readKeys(path string) ([]udptick.Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, exit.Errorf(exit.BadInput, "%s: others can reach the keys, mode %04o: chmod 600 %[1]s", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.With(exit.BadInput, err)
	}
	var keys []udptick.Key
	lines := bufio.NewScanner(bytes.NewReader(b))
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseKey(line)
		if err != nil {
			return nil, exit.Errorf(exit.BadInput, "%s:%d: %w", path, number, err)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, exit.Errorf(exit.BadInput, "%s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, exit.Errorf(exit.BadInput, "%s: no key in it: want lines of an id, a blank and the secret in hex", path)
	}
	return keys, nil
}

// parseKey reads a line. No error shows what is in it.
func parseKey(line []byte) (udptick.Key, error) {
	id, secret, _ := bytes.Cut(line, []byte{' '})
	number, err := strconv.ParseUint(string(id), 10, 32)
	if err != nil {
		return udptick.Key{}, fmt.Errorf("want an id, a whole number below 2^32, then a blank")
	}
	secret = bytes.TrimSpace(secret)
	key := udptick.Key{ID: uint32(number), Secret: make([]byte, hex.DecodedLen(len(secret)))}
	if _, err := hex.Decode(key.Secret, secret); err != nil {
		return udptick.Key{}, fmt.Errorf("key %d: want a secret of hexadecimal digits, two a byte", number)
	}
	return key, nil
}
