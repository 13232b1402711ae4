"""Where candidates run: isolated processes that exchange frames of bytes with the judge and take nothing else out.

    choice.py    the strongest level that passes its self-test here;  levels.py  what a level consists of
    jail.py      one candidate in a jail: exchange, close;  channel.py  the judge's end of its pipes
    zygote.py    a jail as its judge holds it: for one candidate, or kept warm for one after the other
    inside.py    the zygote itself, first process of a jail;  confine.py, measure.py, clearing.py  go with it
    launch.py    the command and the plan that start a jail
    view.py      what of the machine is shown;  packages.py  which installed packages
    home.py      folders and user ids, and sweeping what the dead left;  folders.py  the folder of one jail
    selftest.py  aims the attacks;  probe.py  attempts them;  doctor.py  tells what they found
    bubblewrap.py, landlock.py, seccomp.py (with syscalls.py), cgroup.py  the layers

One trusted zygote per jail forks the candidates' processes, one at a time, measures each tree and kills it; the judge speaks to
both over pipes that are made for each candidate.
"""

from evolve.jail.channel import JailEnded
from evolve.jail.choice import choose
from evolve.jail.jail import Jail, Usage, cold
from evolve.jail.launch import Inside
from evolve.jail.levels import Confinement
from evolve.jail.zygote import Unfit, Zygote

__all__ = ["Confinement", "Inside", "Jail", "JailEnded", "Unfit", "Usage", "Zygote", "choose", "cold"]
