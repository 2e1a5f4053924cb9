package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Commit publishes the snapshot that encode writes, and retires the oldest
// beyond the number to keep. It writes to a temporary name, syncs, reads all of
// it back and verifies, renames, and syncs the folder. Whatever fails or crashes
// on the way, the snapshots that were there remain; only the last step removes
// any. The folder needs room for one more than it keeps.
//
// encode opens sections, appends the state and returns its canonical digest;
// Commit calls Finish. An error of encode discards the snapshot and is returned
// wrapped: this is where a follower refuses a state whose effect chain differs,
// and where, as its last act, it waits until the journal is durable up to
// h.Sequence, because nothing is renamed before encode has returned.
//
// A snapshot of the same sequence is replaced. One older than an intact
// snapshot in the folder is refused: the next start would not find it.
//
// An error that is [ErrRetire] comes with the Info of the snapshot, which is
// published. With any other error it is not, or not for certain: when the last
// folder sync fails, it may or may not be there after a loss of power.
func (s *Store) Commit(h Header, encode func(*Encoder) (digest [DigestSize]byte, err error)) (Info, error) {
	fail := func(err error) (Info, error) {
		return Info{}, fmt.Errorf("snapshot: commit of sequence %d: %w", h.Sequence, err)
	}
	if s.lock == nil {
		return fail(fmt.Errorf("%s is not open for writing: %w", s.dir, fs.ErrPermission))
	}
	if err := s.admit(h.Sequence); err != nil {
		return fail(err)
	}
	temp, path := s.name(h.Sequence, tempSuffix), s.name(h.Sequence, suffix)
	size, err := s.write(temp, h, encode)
	if err == nil {
		err = s.fs.Rename(temp, path)
	}
	if err != nil {
		return fail(errors.Join(err, s.discard(temp)))
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return fail(err)
	}
	info := Info{Sequence: h.Sequence, Size: size, Path: path}
	if err := s.retire(h.Sequence); err != nil {
		return info, fmt.Errorf("%w: %w", ErrRetire, err)
	}
	return info, nil
}

// admit refuses a sequence older than an intact snapshot. A damaged one does
// not count: the state was restored from before it, and may stop before it.
func (s *Store) admit(sequence uint64) error {
	infos, err := s.List()
	if err != nil {
		return err
	}
	for _, info := range infos {
		if info.Sequence <= sequence {
			break
		}
		d, err := s.Open(info)
		if errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil {
			return err
		}
		return errors.Join(fmt.Errorf("%s is newer and intact; move it away to go on from an older state", info.Path), d.Close())
	}
	return nil
}

// write makes the temporary file durable and verified, and returns its size.
func (s *Store) write(temp string, h Header, encode func(*Encoder) ([DigestSize]byte, error)) (int64, error) {
	f, err := s.fs.Create(temp)
	if err != nil {
		return 0, err
	}
	digest, err := encodeTo(f, h, s.options.Codec, encode)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return s.readBack(temp, h, digest)
}

func encodeTo(f File, h Header, codec Codec, encode func(*Encoder) ([DigestSize]byte, error)) (digest [DigestSize]byte, err error) {
	e, err := NewEncoder(f, h, codec)
	if err != nil {
		return digest, err
	}
	if digest, err = encode(e); err != nil {
		return digest, err
	}
	return digest, e.Finish(digest)
}

// readBack verifies a file as any reader will, and that it is the one meant.
func (s *Store) readBack(temp string, h Header, digest [DigestSize]byte) (int64, error) {
	d, err := s.open(temp, h.Sequence)
	if err != nil {
		return 0, fmt.Errorf("read back: %w", err)
	}
	l := d.Layout()
	got := l.Header
	same := got.Rules == h.Rules && got.Shard == h.Shard && got.Chain == h.Chain &&
		slices.Equal(got.Capacities, h.Capacities) && l.Digest == digest
	if !same {
		err = fmt.Errorf("read back: %w: header or digest differs from what was written", ErrCorrupt)
	}
	return l.Size, errors.Join(err, d.Close())
}

// discard removes a temporary file that will not be published.
func (s *Store) discard(temp string) error {
	if err := s.fs.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// retire removes all but the newest of the snapshots up to sequence. Newer ones
// are damaged, says admit: they stay for a human to look at, and count for
// nothing. Removals are not synced, a retired snapshot that comes back with a
// loss of power does no harm.
func (s *Store) retire(sequence uint64) error {
	infos, err := s.List()
	if err != nil {
		return err
	}
	infos = slices.DeleteFunc(infos, func(i Info) bool { return i.Sequence > sequence })
	var failed []error
	for _, info := range infos[min(s.keep, len(infos)):] {
		failed = append(failed, s.fs.Remove(info.Path))
	}
	return errors.Join(failed...)
}
