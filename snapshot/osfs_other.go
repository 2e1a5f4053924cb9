//go:build !linux

package snapshot

import "os"

// dropCache does nothing: there is no portable way to evict a file's pages, and
// reading back then checks memory instead of the disk.
func dropCache(*os.File) {}
