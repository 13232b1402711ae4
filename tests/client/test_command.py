from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolve.client import make
from evolve.config import ModelConfig
from evolve.records import Message, Prompt, Reply
from evolve.seams import CallFailed

FILES = {"main.py": "x = 1\n", "lib/part.py": "y = 'ö'\n"}
PROMPT = Prompt(
    (Message("system", "Edit."), Message("user", "Make it größer."), Message("assistant", "{}")), files=FILES
)


def ask(code: str, prompt: Prompt = PROMPT, arguments: str = "", **settings: object) -> Reply:
    """Run Python code as the command."""
    spec = f"cmd:{shlex.quote(sys.executable)} -c {shlex.quote(code)} {arguments}"
    return make(spec, ModelConfig.model_validate({"timeout": 10, **settings})).send(prompt)


def failed(code: str, prompt: Prompt = PROMPT, timeout: float = 10) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        ask(code, prompt, timeout=timeout)
    return caught.value


def test_the_files_come_back_as_the_command_left_them() -> None:
    code = (
        "import os; from pathlib import Path\n"
        "Path('main.py').write_text('x = 2\\n'); Path('new.py').write_text('ignored')\n"
        "print(); print('changed x'); print('and no more')\n"
    )
    reply = ask(code)
    assert json.loads(reply.text) == {"main.py": "x = 2\n", "lib/part.py": "y = 'ö'\n"}
    assert list(json.loads(reply.text)) == sorted(FILES)
    assert (reply.note, reply.input_tokens, reply.output_tokens) == ("changed x", None, None)
    assert 0 < reply.seconds < 10


def test_a_script_beside_the_run_is_found_from_the_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agent.py").write_text("import sys; open('main.py', 'w').write(sys.argv[1])\n")
    (tmp_path / "main.py").write_text("not the program's\n")
    monkeypatch.chdir(tmp_path)
    reply = make(f"cmd:{shlex.quote(sys.executable)} agent.py main.py", ModelConfig(timeout=10)).send(PROMPT)
    assert json.loads(reply.text)["main.py"] == "main.py", "a name of the program's stays what it is"
    assert (tmp_path / "main.py").read_text() == "not the program's\n"


def test_an_instruction_may_be_longer_than_a_files_name() -> None:
    reply = ask("import sys; print(len(sys.argv[1]))", arguments=shlex.quote("Make it better. " * 400))
    assert reply.note == str(16 * 400)


def test_the_brief_comes_as_a_file_and_as_input_and_the_folder_goes_away() -> None:
    code = (
        "import json, os, sys; from pathlib import Path\n"
        "told = dict(argv=sys.argv[1:], cwd=os.getcwd(), stdin=sys.stdin.read(), brief=Path('BRIEF.md').read_text())\n"
        "Path('main.py').write_text(json.dumps(told))\n"
    )
    told = json.loads(json.loads(ask(code, arguments="--brief={brief} '{folder}/a b' $HOME").text)["main.py"])
    folder = told["cwd"]
    assert told["argv"] == [f"--brief={folder}/BRIEF.md", f"{folder}/a b", "$HOME"], "no shell"
    assert told["stdin"] == told["brief"] == "Edit.\n\nMake it größer.\n"
    assert not Path(folder).exists()


def test_a_program_may_have_a_file_of_the_briefs_name() -> None:
    prompt = Prompt((Message("user", "Go."),), files={"BRIEF.md": "mine"})
    assert json.loads(ask("print(open('_BRIEF.md').read())", prompt).text) == {"BRIEF.md": "mine"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; print('so', file=sys.stderr); sys.exit(3)", "exit code 3: so"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import os; os.remove('main.py')", "deleted main.py"),
        ("open('main.py', 'wb').write(b'\\xff')", "not as UTF-8"),
        ("import os; os.remove('main.py'); os.symlink('/etc/hostname', 'main.py')", "out of its folder"),
        ("import os; os.remove('main.py'); os.symlink('main.py', 'main.py')", "cannot be read"),
        ("import os; os.remove('main.py'); os.mkfifo('main.py')", "not as a file"),
        ("import os; os.remove('main.py'); os.mkdir('main.py')", "main.py"),
        ("open('main.py', 'w').write('x' * ((4 << 20) + 1))", "4 MiB"),
        ("import shutil; shutil.rmtree('lib')", "deleted lib/part.py"),
    ],
)
def test_what_a_command_can_do_wrong(code: str, words: str) -> None:
    error = failed(code)
    assert words in error.reason
    assert (error.permanent, error.charged) == (False, True)


def test_a_link_inside_the_folder_is_followed() -> None:
    code = "import os; os.rename('main.py', 'kept.py'); os.symlink('kept.py', 'main.py')"
    assert json.loads(ask(code).text)["main.py"] == "x = 1\n"


@pytest.mark.parametrize("word", ["no-such-command-here", "/etc/hostname"])
def test_a_command_that_is_not_there_ends_the_arm(word: str) -> None:
    with pytest.raises(CallFailed) as caught:
        make(f"cmd:{word}", ModelConfig()).send(PROMPT)
    assert (caught.value.permanent, caught.value.charged) == (True, False)


def test_at_the_time_limit_the_whole_group_is_killed(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = f"import time\nwhile True: open({str(beat)!r}, 'a').write('.'); time.sleep(0.02)"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])\nimport time; time.sleep(60)"
    began = time.monotonic()
    error = failed(code, timeout=1.0)
    assert time.monotonic() - began < 2.0
    assert (error.permanent, error.charged) == (False, True)
    assert "1 s" in error.reason
    assert_still(beat)


def test_a_child_in_the_background_neither_holds_the_call_nor_survives_it(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = f"import time\nwhile True: open({str(beat)!r}, 'a').write('.'); time.sleep(0.02)"
    code = (
        f"import os, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"while not os.path.exists({str(beat)!r}): time.sleep(0.01)\nprint('done')"
    )
    began = time.monotonic()
    assert ask(code).note == "done"
    assert time.monotonic() - began < 5
    assert_still(beat)


def test_a_flood_of_output_is_neither_kept_nor_in_the_way() -> None:
    code = (
        "import sys\nprint('first')\nfor _ in range(400): sys.stdout.write('x' * 65536)\n"
        "print('last', file=sys.stderr); sys.exit(1)"
    )
    error = failed(code)
    assert error.reason.endswith("last")
    assert len(error.reason) < 1000


def test_output_closed_early_is_no_end() -> None:
    code = "import os, time\nos.close(1); os.close(2); time.sleep(0.2); open('main.py', 'w').write('late')"
    assert json.loads(ask(code).text)["main.py"] == "late"


def test_a_named_key_is_the_only_one_it_sees_and_no_text_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "agent-0123456789")
    monkeypatch.setenv("OTHER_API_KEY", "other-0123456789")
    code = "import os\nprint(os.environ.get('AGENT_KEY'), os.environ.get('OTHER_API_KEY'))"
    assert ask(code, key="AGENT_KEY").note == "*** None"
    assert ask(code).note == "*** ***", "else it has what the user has, and the texts still do not"
    leak = "import os, sys\nopen('main.py', 'w').write(os.environ['AGENT_KEY'])"
    assert json.loads(ask(leak).text)["main.py"] == "***"


def test_a_file_outside_the_folder_is_never_written() -> None:
    prompt = Prompt((Message("user", "Go."),), files={"../out.py": ""})
    assert failed("pass", prompt).permanent


def test_what_is_told_of_it() -> None:
    client = make("agent", ModelConfig(model="cmd:agent --task {brief}"))
    assert client.max_tokens == 0
    assert client.parameters(PROMPT) == {"command": ["agent", "--task", "{brief}"], "files": ["lib/part.py", "main.py"]}


def test_commands_end_with_the_process_that_runs_them(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    command = f"{shlex.quote(sys.executable)} -c " + shlex.quote(
        f"import time\nwhile True: open({str(beat)!r}, 'a').write('.'); time.sleep(0.02)"
    )
    code = (
        "import os, threading, time\nfrom evolve.client import make\nfrom evolve.config import ModelConfig\n"
        "from evolve.records import Message, Prompt\n"
        f"client = make({'cmd:' + command!r}, ModelConfig())\n"
        "threading.Thread(target=client.send, args=(Prompt((Message('user', 'go'),)),), daemon=True).start()\n"
        f"while not os.path.exists({str(beat)!r}): time.sleep(0.01)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert_still(beat)


def assert_still(beat: Path) -> None:
    """What wrote to ``beat`` writes no more."""
    time.sleep(0.1)
    size = beat.stat().st_size if beat.exists() else 0
    time.sleep(0.2)
    assert (beat.stat().st_size if beat.exists() else 0) == size
