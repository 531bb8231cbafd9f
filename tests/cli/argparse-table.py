"""Writes argparse-table.json: what Python's argparse makes of command lines for spinnaker_proxy 2.x.

Run by hand with `python3 tests/cli/argparse-table.py` when the table should grow; the tests read the table alone.
"""
import argparse
import contextlib
import io
import json
import pathlib
import random

FLAGS = {"server": "s", "client": "c", "boot-via-tcp": "t", "sdp-via-tcp": "T", "quiet": "q"}
PORTS = {"scp-port": 17893, "boot-port": 54321, "scp-tunnel-port": 17894, "boot-tunnel-port": 17895}


def parser():
    made = argparse.ArgumentParser(prog="spinnaker_proxy")
    made.add_argument("target")
    role = made.add_mutually_exclusive_group(required=True)
    for name, letter in FLAGS.items():
        (role if name in ("server", "client") else made).add_argument(f"-{letter}", f"--{name}", action="store_true")
    for name, default in PORTS.items():
        made.add_argument(f"--{name}", type=int, default=default)
    return made


def parse(argv):
    """The namespace, "help", or "error"."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return vars(parser().parse_args(argv))
        except SystemExit as end:
            return "error" if end.code else "help"


def prefixes():
    """Every beginning of every long option, and the option that it stands for."""
    known = [*FLAGS, *PORTS, "help"]
    table = {}
    for prefix in sorted({name[:length] for name in known for length in range(1, len(name) + 1)}):
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                found = parser()._parse_optional(f"--{prefix}")
                table[prefix] = found[0].option_strings[-1][2:]
            except SystemExit:
                table[prefix] = None
    return table


def lines(count):
    """Command lines made of what people type, in any order; only such as have ports and targets that exist."""
    source = random.Random(1)
    words = ["-s", "-c", "-t", "-T", "-q", "-st", "-sT", "-ctTq", "-tq", "-Tq", "--server", "--client", "--serv", "--cl"]
    words += ["--boot-via-tcp", "--boot-v", "--sdp-via-tcp", "--sd", "--quiet", "--q", "host", "10.0.0.1", "host", "--"]
    words += ["--bogus", "-x", "-sx", "--server=1", "-s1", "--s", "--b", "--scp", "--boot-t"]
    values = {"scp-port": 1001, "scp-p": 1001, "boot-port": 1002, "boot-p": 1002, "scp-tunnel-port": 1003}
    values |= {"scp-t": 1003, "boot-tunnel-port": 1004, "boot-t": 1004}
    fixed = ["-s -- host", "-- host -s", "-st -q -- host", "-s -- host host2", "--", "-s --", "-s", "host", "-h", "--help"]
    fixed += ["-s host -h", "-h --bogus", "--he -s", "-sh host", "-c host --scp-port", "-c host --scp-port -s"]
    table = {line: parse(line.split(" ")) for line in fixed}
    while len(table) < count:
        argv = [source.choice(["-s", "-c", "--server", "--client", "-st", "-cT", "host"]), "host"]
        for _ in range(source.randint(0, 5)):
            kind = source.random()
            name = source.choice(list(values))
            if kind < 0.25:
                argv += [f"--{name}", str(values[name])]
            elif kind < 0.45:
                argv.append(f"--{name}={values[name]}")
            elif kind < 0.5:
                argv.append(f"--{name}")
            else:
                argv.append(source.choice(words))
        if source.random() < 0.5:
            argv = argv[1:] + argv[:1]
        # `--port -- 5` gives the port 5 in some versions of argparse and an error in others.
        if any(a.startswith("--") and len(a) > 2 and b == "--" for a, b in zip(argv, argv[1:])):
            continue
        # A `--` behind the target is an unknown argument to some versions of argparse; ours takes it for what it says.
        if "--" in argv and "host" in argv[: argv.index("--")]:
            continue
        table[" ".join(argv)] = parse(argv)
    return table


path = pathlib.Path(__file__).with_name("argparse-table.json")
path.write_text(json.dumps({"prefixes": prefixes(), "lines": lines(400)}, indent=1) + "\n")
