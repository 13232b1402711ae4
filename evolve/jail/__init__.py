"""Where candidates run: isolated processes that exchange frames of bytes with the judge and take nothing else out.

    choice.py    the strongest level that passes its self-test here;  levels.py  what a level consists of
    jail.py      one jail: start, exchange, close;  channel.py  the judge's end of its pipes
    inside.py    the keeper, first process of a jail;  confine.py, measure.py  go with it
    launch.py    the command and the plan that start a jail
    view.py      what of the machine is shown;  packages.py  which installed packages
    home.py      folders and user ids, and sweeping what the dead left;  folders.py  the folder of one jail
    selftest.py  aims the attacks;  probe.py  attempts them;  doctor.py  tells what they found
    bubblewrap.py, landlock.py, seccomp.py (with syscalls.py), cgroup.py  the layers

One trusted keeper per jail forks the candidate's process, measures the tree and kills it; the judge speaks to both over pipes.
"""

from evolve.jail.channel import JailEnded
from evolve.jail.choice import choose
from evolve.jail.jail import Jail, Usage
from evolve.jail.levels import Confinement

__all__ = ["Confinement", "Jail", "JailEnded", "Usage", "choose"]
