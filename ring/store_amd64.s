//go:build !race

#include "textflag.h"

// func storeRelease(at *atomic.Int64, v int64)
TEXT ·storeRelease(SB), NOSPLIT, $0-16
	MOVQ at+0(FP), AX
	MOVQ v+8(FP), CX
	MOVQ CX, (AX)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET
