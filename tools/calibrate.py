"""Fits the constants of a fitted.yaml on the published rows that each names, and judges them on rows that they have not seen.

A constant with `rows` is fitted on those of them that have the role `fitted`; constants that share rows are fitted together, the others keep their value. The fit is
the least sum of squares of ln(simulated / published) within the constants' ranges (scipy.optimize.least_squares, trust region
reflective, from the middle of the ranges), so that it does not depend on the values in the file. Results have three digits.

Leave one family out: for each family, the constants are fitted without its rows, and a constant that has no other rows takes
the middle of its range; then the family's rows are predicted, fitted ones too.
"""

import argparse
import datetime
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import yaml
from scipy.optimize import least_squares

ROOT = Path(__file__).resolve().parent.parent


class Constant:
    def __init__(self, entry):
        self.id, self.rows = entry["id"], entry.get("rows", [])
        self.value, self.unit = number_and_unit(entry["value"])
        self.low, self.high = (number_and_unit(bound)[0] for bound in entry["range"])
        self.middle = (self.low + self.high) / 2

    def owns(self, row):
        return any(row["family"] == own["family"] and row["row"].startswith(own.get("label", "")) for own in self.rows)


def number_and_unit(text):
    number, _, unit = str(text).partition(" ")
    return float(number), unit


def three_digits(value):
    return float(f"{value:.3g}")


class Simulator:
    """Scores tables under other values of the constants."""

    def __init__(self, program, fitted, folder):
        self.program, self.text, self.folder = program, fitted, folder

    def with_values(self, values):
        text = self.text
        for constant, value in values.items():
            number = f"{value:.17g}" + (f" {constant.unit}" if constant.unit else "")
            text, found = re.subn(rf"(- id: {re.escape(constant.id)}\n    value:).*", rf"\1 {number}", text)
            assert found == 1, f"fitted.yaml: {constant.id} is not followed by its value"
        return text

    def rows(self, values, tables):
        """Predicted values of the tables, as `score --json` lists them."""
        Path(self.folder, "fitted.yaml").write_text(self.with_values(values))
        command = [self.program, "score", "--json", "--catalog", self.folder, *tables]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"calibrate: error: {' '.join(command)}:\n{run.stderr}")
        return [row for row in json.loads(run.stdout)["rows"] if row.get("simulated") is not None]


def components(constants, rows):
    """Constants that share rows, directly or through others, stand together."""
    groups = []
    for constant in constants:
        own = [row for row in rows if constant.owns(row)]
        shared = [g for g in groups if any(c.owns(row) for c in g for row in own)]
        groups = [g for g in groups if g not in shared] + [sum(shared, []) + [constant]]
    return groups


def fit(simulator, group, tables, without=None):
    """Values for a group of constants from their rows, those of one family left out; the middles where no row is left."""
    families = sorted({own["family"] for constant in group for own in constant.rows} - {without})
    if not families:
        return {constant: constant.middle for constant in group}

    def values_at(point):
        return {c: c.low + share * (c.high - c.low) for c, share in zip(group, point)}

    def residuals(point):
        rows = simulator.rows(values_at(point), [tables.get(family, family) for family in families])
        own = [row for row in rows if row["role"] == "fitted" and any(constant.owns(row) for constant in group)]
        if not own:
            sys.exit(f"calibrate: error: {group[0].id}: none of its rows is there with the role fitted")
        return numpy.log([row["simulated"] / row["published"] for row in own])

    best = least_squares(residuals, [0.5] * len(group), bounds=(0, 1), diff_step=1e-3, xtol=1e-5, ftol=1e-10)
    return {c: three_digits(value) for c, value in values_at(best.x).items()}


def mean_error(rows):
    errors = [abs(row["error_percent"]) for row in rows if row["error_percent"] is not None]
    return (sum(errors), len(errors))


def percent(total, count):
    return f"{total / count:.1f}" if count else "-"


def print_constants(constants, fitted):
    print(f"{'constant':46} {'catalogue':>10} {'refitted':>10}   range")
    for c in constants:
        new = f"{fitted[c]:g}" if c in fitted else "kept"
        print(f"{c.id:46} {c.value:>10g} {new:>10}   {c.low:g} to {c.high:g}{' ' + c.unit if c.unit else ''}")
    kept = [c for c in constants if c not in fitted]
    if kept:
        print(f"kept: {len(kept)} whose rows are not among the published tables")


def print_left_out(simulator, groups, fitted, tables, names):
    print(f"\n{'family':28} {'values':>6} {'fitted':>8} {'left out':>8}   mean error in percent, fitted values counted too")
    sums = [(0, 0), (0, 0)]
    rows = simulator.rows(fitted, tables.values() if tables else [])
    for family in names or sorted({row["family"] for row in rows}):
        seen = mean_error([row for row in rows if row["family"] == family])
        touched = [g for g in groups if any(own["family"] == family for c in g for own in c.rows)]
        blind = seen
        if touched:
            values = dict(fitted)
            for group in touched:
                values.update(fit(simulator, group, tables, without=family))
            blind = mean_error(simulator.rows(values, [tables.get(family, family)]))
        sums = [(s[0] + e[0], s[1] + e[1]) for s, e in zip(sums, (seen, blind))]
        if seen[1]:
            print(f"{family:28} {seen[1]:>6} {percent(*seen):>8} {percent(*blind):>8}")
    print(f"{'all':28} {sums[0][1]:>6} {percent(*sums[0]):>8} {percent(*sums[1]):>8}")
    return sums


RECORD = """# Leave-one-family-out error, in percent, written by tools/calibrate --record; `trainfare score` prints it, as out of date where
# `inputs` (hash of fitted.yaml and the published tables, comments aside) or `score` (mean of held-out rows) are no longer those of the program.
"""


def record(program, sums):
    run = subprocess.run([program, "score", "--json"], capture_output=True, text=True, check=True)
    score = json.loads(run.stdout)
    (fitted, values), (left_out, _) = sums
    kept = {"date": datetime.date.today().isoformat(), "inputs": score["inputs"], "score": round(score["all"]["mean"], 2), "values": values,
            "left_out": round(left_out / values, 3), "fitted": round(fitted / values, 3)}
    (ROOT / "scenarios/catalog/left-out.yaml").write_text(RECORD + "".join(f"{key}: {json.dumps(value)}\n" for key, value in kept.items()))


def main():
    parser = argparse.ArgumentParser(prog="tools/calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="trainfare")
    parser.add_argument("--fitted", type=Path, default=ROOT / "scenarios/catalog/fitted.yaml", help="list of constants")
    parser.add_argument("--catalog", type=Path, help="folder of entries laid over the built-in ones, such as a new chip and its kernels")
    parser.add_argument("--write", action="store_true", help="write the refitted values into that list")
    parser.add_argument("--record", action="store_true", help="keep the leave-one-family-out error of the built-in tables in left-out.yaml of the catalogue")
    parser.add_argument("--fit-only", action="store_true", help="no leave-one-family-out error")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="files to take families from, beside the built-in ones")
    given = parser.parse_args()
    if given.record and (given.tables or given.catalog or given.write or given.fit_only or given.fitted != parser.get_default("fitted")):
        parser.error("--record is of the built-in tables and constants: without TABLE, --catalog, --fitted, --write and --fit-only")

    text = given.fitted.read_text()
    constants = [Constant(entry) for entry in yaml.safe_load(text)["constants"]]
    tables = {yaml.safe_load(Path(table).read_text())["name"]: table for table in given.tables}
    with tempfile.TemporaryDirectory() as folder:
        if given.catalog:
            shutil.copytree(given.catalog, folder, dirs_exist_ok=True)
        simulator = Simulator(given.program, text, folder)
        with_rows = [c for c in constants if c.rows]
        families = sorted({own["family"] for c in with_rows for own in c.rows})
        rows = simulator.rows({}, [tables.get(family, family) for family in families])
        groups = components(with_rows, [row for row in rows if row["role"] == "fitted"])
        fitted = {}
        for group in groups:
            fitted.update(fit(simulator, group, tables))
        print_constants(constants, fitted)
        if not given.fit_only:
            sums = print_left_out(simulator, groups, fitted, tables, list(tables))
            if given.record:
                record(given.program, sums)
        if given.write:
            given.fitted.write_text(simulator.with_values({c: v for c, v in fitted.items() if v != c.value}))


if __name__ == "__main__":
    main()
