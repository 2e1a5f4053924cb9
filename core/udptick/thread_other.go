//go:build !linux

package udptick

// threadID returns 0: this system is not asked.
func threadID() int { return 0 }
