import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PurePath

import pytest

from evolve.errors import TaskError
from evolve.jail.packages import Visible, visible
from evolve.records import Level
from tests.jail.inmate import opened


def wheel(folder: Path, name: str, content: Mapping[str, str], requires: Sequence[str] = ()) -> None:
    """Write an installed distribution as pip would leave it."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    files = dict(content)
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(
        f"Requires-Dist: {r}\n" for r in requires
    )
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    tmp_path.chmod(0o755)
    monkeypatch.syspath_prepend(str(folder))
    wheel(
        folder,
        "Alpha.Pkg",
        {"alpha/__init__.py": "x = 1\n"},
        ["beta-pkg[more]>=0.5", 'never-there; python_version < "3"'],
    )
    wheel(
        folder,
        "beta_pkg",
        {"shared/beta/__init__.py": "y = 2\n", "beta.pth": "/nowhere\n"},
        ['gamma; extra == "more"', 'delta; extra == "less"'],
    )
    wheel(folder, "gamma", {"gamma.py": "z = 3\n", "../../bin/gamma": "#!/bin/sh\n"})
    wheel(folder, "delta", {"shared/delta/__init__.py": ""})
    wheel(folder, "hidden-data", {"alpha/labels.txt": "the answers\n", "labels/__init__.py": ""})
    visible.cache_clear()
    yield folder
    visible.cache_clear()


def names(found: Visible) -> set[str]:
    return {str(name) for _, _, name in found.entries if "dist-info" not in str(name)}


def test_dependencies_by_metadata(site: Path) -> None:
    assert names(visible(("alpha-pkg",))) == {"alpha", "shared/beta", "gamma.py"}
    assert names(visible(("ALPHA_PKG",))) == names(visible(("alpha.pkg",)))
    assert names(visible(("beta-pkg",))) == {"shared/beta"}
    assert names(visible(("beta-pkg[less]",))) == {"shared"}
    assert visible(("alpha-pkg",)).sites == (site,)


def test_hidden_data_is_left_out_of_a_shared_folder(site: Path) -> None:
    found = visible(("alpha-pkg",), ("hidden-data",))
    assert "alpha/__init__.py" in names(found)
    assert PurePath("alpha") not in {name for _, _, name in found.entries}


@pytest.mark.parametrize(
    ("packages", "data", "words"),
    [
        (("no-such-thing",), (), "pip install 'no-such-thing'"),
        (("alpha-pkg>=2",), (), "pip install 'alpha-pkg>=2'"),
        (("evolve-programs",), (), "hidden"),
        (("Evolve_Programs",), (), "hidden"),
        (("hidden-data",), ("Hidden_Data",), "hidden"),
        (("alpha-pkg",), ("gamma",), "'gamma', which beta-pkg asks for, is hidden"),
        (("not a name",), (), "no distribution's name"),
    ],
)
@pytest.mark.usefixtures("site")
def test_what_cannot_be_shown(packages: tuple[str, ...], data: tuple[str, ...], words: str) -> None:
    with pytest.raises(TaskError, match=words.replace("[", r"\[")):
        visible(packages, data)


def test_an_editable_install_is_refused(site: Path) -> None:
    info = site / "gamma-1.0.dist-info"
    (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    with pytest.raises(TaskError, match="editable"):
        visible(("gamma",))


def test_inside(level: Level, site: Path) -> None:
    with opened(level, packages=("alpha-pkg",), data=("hidden-data",)) as inmate:
        inmate.run("import sys; sys.path += sys.argv[5:]")
        assert inmate.run("import alpha, shared.beta, gamma; r = alpha.x + shared.beta.y + gamma.z") == 6
        for name in ("evolve", "labels", "shared.delta", "pip", "numpy"):
            assert inmate.run(f"try: import {name}; r = 'seen'\nexcept ModuleNotFoundError: r = 'absent'") == "absent"
        if level in ("namespaces", "landlock"):
            for path in (
                site / "alpha" / "labels.txt",
                site / "labels" / "__init__.py",
                site / "shared" / "delta" / "__init__.py",
            ):
                assert inmate.run(f"try: open({str(path)!r}); r = 'read'\nexcept OSError: r = 'denied'") == "denied"


def test_numpy(level: Level) -> None:
    with opened(level, packages=("numpy",)) as inmate:
        inmate.run("import sys; sys.path += sys.argv[5:]")
        assert inmate.run("import numpy; r = numpy.__version__, float(numpy.ones((9, 9)).sum())") == (
            version("numpy"),
            81.0,
        )


def test_an_installed_copy_of_this_package_is_not_visible(isolated: Level, tmp_path: Path) -> None:
    """Not by name, and not by path: a base interpreter's own site-packages are shut as well."""
    with opened(isolated) as inmate:
        found = inmate.run(
            "import sys, os\nr = []\nfor base in {os.path.dirname(os.__file__), '/usr/lib/python3', '/usr/local/lib'}:\n"
            "    for place, folders, files in os.walk(base):\n"
            "        if os.path.basename(place) in ('site-packages', 'dist-packages'):\n"
            "            for name in os.listdir(place):\n"
            "                try: r.append(os.listdir(os.path.join(place, name)) and name)\n"
            "                except OSError: pass\n"
            "            folders[:] = []"
        )
    if isolated == "namespaces":
        assert found == []


def test_wheels_are_what_pip_leaves(tmp_path: Path) -> None:
    """The fixture's idea of an installation agrees with pip's."""
    place = tmp_path / "one-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as file:
        file.writestr("one/__init__.py", "")
        file.writestr("one-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
        file.writestr(
            "one-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("one-1.0.dist-info/RECORD", "one/__init__.py,,\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-index", "--quiet", "--target", str(tmp_path / "t"), str(place)],
        check=True,
        timeout=60,
    )
    sys.path.insert(0, str(tmp_path / "t"))
    try:
        assert names(visible(("one",))) == {"one"}
    finally:
        sys.path.remove(str(tmp_path / "t"))
        visible.cache_clear()
