"""Where candidates run: isolated processes that exchange frames of bytes with the judge and take nothing else out.

levels.py      which level this machine has: chosen by a self-test that attempts the attacks
jail.py        one jail: start, exchange, close
channel.py     the judge's end of its pipes
inside.py      the keeper: first process of a jail;  confine.py and measure.py go with it
launch.py      the command and the plan that start a jail
bubblewrap.py, landlock.py, seccomp.py, cgroup.py    the layers
view.py        what of the machine is shown;  packages.py  which installed packages
home.py, folders.py    folders and user ids, and sweeping what the dead left
selftest.py, probe.py  the attacks;  doctor.py  what they found
"""

from evolve.jail.channel import JailEnded
from evolve.jail.jail import Jail, Usage
from evolve.jail.levels import Confinement, choose

__all__ = ["Confinement", "Jail", "JailEnded", "Usage", "choose"]
