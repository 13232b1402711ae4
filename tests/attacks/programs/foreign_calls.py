"""Makes system calls by the 32-bit gate and by the x32 numbers, which a filter that only compares numbers lets through."""

import ctypes
import mmap
import os
import platform

from kit import LIBC, got, honest

if platform.machine() == "x86_64":
    if LIBC.syscall(0x40000000 + 41, 2, 1, 0) >= 0:
        got("tcp", "a socket by the x32 number")

    def gate():
        # mov eax, 359 (socket); mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret
        code = b"\x53\xb8\x67\x01\x00\x00\xbb\x02\x00\x00\x00\xb9\x01\x00\x00\x00\x31\xd2\xcd\x80\x5b\xc3"
        page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return ctypes.CFUNCTYPE(ctypes.c_int)(address)()

    pid = os.fork()
    if not pid:
        os._exit(10 if gate() >= 0 else 0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 10:
        got("tcp", "a socket by the 32-bit gate")

solve = honest
