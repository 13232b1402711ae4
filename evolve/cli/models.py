"""The verb ``models``: which models there are to ask."""

from __future__ import annotations

import click

from evolve.cli.listing import emit_json, emit_table
from evolve.cli.options import json_option

NOTHING = """\
No server of models answers on this machine, and no key is set. To get one:
  on this machine   install Ollama, run `ollama pull qwen2.5-coder`, and ask again (or start llama.cpp, vLLM or LM Studio)
  as a service      put its key into the environment or into .env, such as OPENAI_API_KEY=…, and run with --model gpt-5-mini
The built-in arms need neither: evolve run TASK"""


@click.command()
@click.option(
    "--port",
    "ports",
    type=click.IntRange(1, 65535),
    multiple=True,
    help="Ask this port of 127.0.0.1 too (repeatable).",
)
@json_option
def models(ports: tuple[int, ...], as_json: bool) -> None:
    """List the models of servers on this machine, as `--model` takes them, and the services whose key is set."""
    from evolve.discover import on_this_machine, with_keys
    from evolve.secrets import load_environment

    load_environment()
    found, services = on_this_machine(ports), with_keys()
    if as_json:
        emit_json(
            {
                "models": [{"model": each.model, "server": each.server} for each in found],
                "services": [{"service": service, "key": variable} for service, variable in services],
            }
        )
        return
    if not found and not services:
        click.echo(NOTHING)
        return
    emit_table(
        ("model", "server"),
        [(each.model, each.server) for each in found],
        "no server of models answers on this machine (`--port N` asks at another port too)",
    )
    if services:
        click.echo()
        emit_table(("service", "key in"), services, "")
        click.echo("\nAny model of these services can be asked, such as --model openai/gpt-5-mini.")


VERBS: tuple[click.Command, ...] = (models,)
"""What the command line takes from this module."""
