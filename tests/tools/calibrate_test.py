"""tools/calibrate.py finds the constants that made the published numbers, and refuses rows that are evidence."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = sys.argv.pop()
FITTED = (ROOT / "scenarios/catalog/fitted.yaml").read_text()
TRUE = {"gemm-fp8-hopper-peak-fraction": 0.68, "gemm-fp8-hopper-half-k": 900}

TABLE = """
name: made
source: none
flops: 2 m n k
scenario:
  cluster: {node: hgx-h800, nodes: 1, fabric: rail-optimized-400g}
  model: deepseek-v3
  stack: deepseek-v3
  stages: []
  price: {rental: 2 USD/GPU-hour}
  probes: [{name: gemm, matrix_multiply: {m: 4096, n: 4224, k: 4096, precision: fp8}}]
columns:
  - {name: k, path: probes.gemm.matrix_multiply.k}
  - {name: rate, quantity: probes.gemm.tflops, unit: TFLOP/s, role: %s}
rows:
"""


def with_true_values(text):
    for name, value in TRUE.items():
        text = re.sub(rf"(- id: {name}\n    value:).*", rf"\1 {value}", text)
    return text


class Calibrate(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # Only the two constants have rows, and these are ours.
        text = re.sub(r"\n    (rows|measurement):.*?(?=\n    \w|\n  - )", "", FITTED, flags=re.S)
        text = re.sub(r"(\n    source:)", r"\n    measurement: none\1", text)
        for name in TRUE:
            text = re.sub(rf"(- id: {name}\n(?:    .*\n)*?    fitted_on:.*\n)", r"\1    rows: [{family: made}]\n", text)
        (self.folder / "fitted.yaml").write_text(text)

    def write_table(self, rates, role):
        rows = "".join(f"  - [{k}, {rate!r}]\n" for k, rate in rates.items())
        (self.folder / "made.yaml").write_text(TABLE % role + rows)

    def simulated(self):
        """Rates under the true constants."""
        self.write_table({k: 1000.0 for k in (512, 1024, 2048, 7168, 16384)}, "fitted")
        catalogue = self.folder / "true"
        catalogue.mkdir()
        (catalogue / "fitted.yaml").write_text(with_true_values(FITTED))
        command = [PROGRAM, "score", "--json", "--catalog", catalogue, self.folder / "made.yaml"]
        score = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return {int(row["row"].removeprefix("k=")): row["simulated"] for row in score["rows"]}

    def calibrate(self, *arguments):
        command = [sys.executable, ROOT / "tools/calibrate.py", "--program", PROGRAM, "--fitted",
                   self.folder / "fitted.yaml", *arguments, self.folder / "made.yaml"]
        return subprocess.run(command, capture_output=True, text=True)

    def test_finds_what_made_the_numbers(self):
        self.write_table(self.simulated(), "fitted")
        run = self.calibrate("--fit-only", "--write")
        self.assertEqual(run.returncode, 0, run.stderr)
        written = (self.folder / "fitted.yaml").read_text()
        for name, value in TRUE.items():
            found = float(re.search(rf"- id: {name}\n    value: (.*)", written)[1])
            self.assertAlmostEqual(found / value, 1, delta=0.002)

    def test_a_family_left_out_is_predicted_by_the_middle_of_the_ranges(self):
        self.write_table(self.simulated(), "fitted")
        run = self.calibrate()
        self.assertEqual(run.returncode, 0, run.stderr)
        fitted, left_out = re.search(r"^made +5 +([\d.]+) +([\d.]+)$", run.stdout, re.M).groups()
        self.assertLess(float(fitted), 0.2)
        self.assertAlmostEqual(float(left_out), 100 * (0.75 / 0.68 - 1), delta=0.6)  # the middles are 0.75 and 900

    def test_evidence_is_not_fitted_on(self):
        self.write_table({512: 500.0, 4096: 900.0}, "held-out")
        run = self.calibrate("--fit-only")
        self.assertEqual(run.returncode, 1)
        self.assertIn("none of its rows is there with the role fitted", run.stderr)


    def test_only_the_error_of_the_built_in_tables_is_kept(self):
        self.write_table({512: 500.0}, "fitted")
        run = self.calibrate("--record")
        self.assertEqual(run.returncode, 2)
        self.assertIn("--record is of the built-in tables", run.stderr)


if __name__ == "__main__":
    unittest.main()
