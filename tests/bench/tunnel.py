"""What each tunnel passes from LAN host to server, side by side in one run: `./dev bench tunnel`.

Every round runs every subject once, so that a machine whose speed drifts slows all of them; a
figure is the median of its rounds. Nothing here asserts a speed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import chain as chains
from careof.wire import tunneld as wire

SETTLE_S = 0.7  # before a figure is taken: slow start is over, queues are as full as they get

SUBJECTS = {
    "plain routing": chains.plain_routing,
    "careof IPIP": lambda chain: chains.careof(chain, wire.KIND_IPIP),
    "careof MIP-UDP": lambda chain: chains.careof(chain, wire.KIND_MIP_UDP),
    "wireguard-go": chains.wireguard_go,
    "OpenVPN": chains.openvpn,
}


def machine():
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0].split(":")[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
    }


def _busy_jiffies():
    """Time that all cores together did not idle, in ticks since boot (proc(5), /proc/stat)."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return user + nice + system + irq + softirq


def _received_octets(chain):
    link = json.loads(chain.run("server", "ip", "-j", "-s", "link", "show", "server"))[0]
    return link["stats64"]["rx"]["bytes"]


def _iperf3(chain, seconds, *extra):
    """(Gb/s, cores busy) of one run, as the server's interface counted what arrived.

    iperf3's own count of lost datagrams is of no use when most of them are lost, and
    it may give up its control connection in the flood; what arrived has arrived all the same.
    """
    server = chain.start(
        "server", "iperf3", "-s", "-1", "-p", "5201", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    command = ("iperf3", "-c", chains.SERVER, "-p", "5201", "-t", str(seconds + SETTLE_S + 1), *extra)
    client = None
    try:
        while "5201" not in chain.run("server", "ss", "-Hltn"):
            time.sleep(0.02)
        client = chain.start("lan", *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(SETTLE_S)
        busy, octets, began = _busy_jiffies(), _received_octets(chain), time.monotonic()
        time.sleep(seconds)
        busy, octets, took_s = (
            _busy_jiffies() - busy,
            _received_octets(chain) - octets,
            time.monotonic() - began,
        )
    finally:
        for process in filter(None, (client, server)):
            process.kill()
            process.wait()
    return octets * 8 / 1e9 / took_s, busy / os.sysconf("SC_CLK_TCK") / took_s


CASES = {
    "tcp1": (),
    "tcp4": ("-P", "4"),
    "udp1300": ("-u", "-b", "0", "-l", "1300"),
}


def measure(rounds, seconds, subjects, cases):
    """Rows of every case and subject, each the median of its rounds."""
    figures = {}
    with chains.Chain() as chain:
        for offloads in ("on", "off"):
            chain.set_outer_offloads(offloads == "on")
            for round_ in range(rounds):
                for subject in subjects:
                    with SUBJECTS[subject](chain):
                        chain.wait_until_it_passes(subject)
                        for case in cases:
                            gbps, cores = _iperf3(chain, seconds, *CASES[case])
                            name = case if offloads == "on" else case + " outer offloads off"
                            figures.setdefault((name, subject), []).append((gbps, cores))
                            print(
                                f"{name:28} {subject:16} {round_ + 1}: {gbps:6.2f} Gb/s {cores:.2f} cores",
                                flush=True,
                            )
    rows = []
    for (case, subject), runs in figures.items():
        for index, unit in ((0, "Gb/s"), (1, "cores")):
            values = [run[index] for run in runs]
            rows.append(
                {
                    "case": case,
                    "subject": subject,
                    "value": round(statistics.median(values), 3),
                    "unit": unit,
                    "min": round(min(values), 3),
                    "max": round(max(values), 3),
                    "runs": len(values),
                }
            )
    return rows


def ratios(rows):
    """Lines that say what the goals say: against plain routing, and against wireguard-go."""
    rate = {(row["case"], row["subject"]): row["value"] for row in rows if row["unit"] == "Gb/s"}
    for (case, subject), value in rate.items():
        against = [
            f"{value / rate[case, base]:6.2f} x {base}"
            for base in ("plain routing", "wireguard-go", "OpenVPN")
            if rate.get((case, base))
        ]
        yield f"{case:28} {subject:16} {value:7.2f} Gb/s  " + "  ".join(against)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--subject", action="append", choices=list(SUBJECTS))
    parser.add_argument("--case", action="append", choices=list(CASES))
    options = parser.parse_args()
    rows = measure(
        options.rounds,
        options.seconds,
        options.subject or list(SUBJECTS),
        options.case or ["tcp1", "udp1300"],
    )
    print()
    print("\n".join(ratios(rows)))
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
