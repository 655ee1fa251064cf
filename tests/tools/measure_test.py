"""tools/calibrate --measure writes tables that the program scores and tools/calibrate fits on; here on a CPU, which tries it and no more."""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = sys.argv.pop()
FITTED = (ROOT / "scenarios/catalog/fitted.yaml").read_text()


def run(*command, **environment):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env={**os.environ, **environment})


class Measure(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.table = self.folder / "kernels-mine.yaml"

    def measure(self, *arguments, **environment):
        return run(ROOT / "tools/calibrate", "--measure", *arguments, PYTHON=sys.executable, **environment)

    def measured(self, *arguments):
        """A tiny grid, three times each; rows in the 16-bit type that V100 and the CPU have in common."""
        done = self.measure("--device", "cpu", "--grid", "small", "--node", "dgx-1-v100", "--repeats", "3", "--output", self.table, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.table.read_text()

    def test_the_program_reads_the_table_back(self):
        text = self.measured()
        rows = [line[5:-1].split(", ") for line in text.splitlines() if re.match(r"  - \[\w+", line)]
        self.assertEqual({row[0] for row in rows}, {"gemm", "grouped-gemm", "attention", "memory"})
        scored = run(PROGRAM, "score", "--json", self.table)
        self.assertEqual(scored.returncode, 0, scored.stderr)
        back = [row for row in json.loads(scored.stdout)["rows"] if row["family"] == "kernels-mine"]
        times = sorted(float(row[-1]) * 1e-6 for row in rows)
        for mine, its in zip(times, sorted(row["published"] for row in back), strict=True):
            self.assertGreater(mine, 0)
            self.assertAlmostEqual(its / mine, 1)
        self.assertTrue(all(row["role"] == "held-out" for row in back))
        memory = [row for row in back if row["row"].startswith("memory") and "elementwise" in row["row"]]
        # 100 kB and the half size of 3 MB at 0.83 of 898 GB/s.
        self.assertAlmostEqual(memory[0]["simulated"] / (3.1e6 / (0.83 * 898e9)), 1, delta=1e-3)

    def test_the_table_says_where_and_when(self):
        text = self.measured()
        said = re.search(r'^measured: \{device: "(.+)", driver: "(.+)", date: (\S+), software: "(.+)"\}$', text, re.M)
        self.assertEqual(said[3], datetime.date.today().isoformat())
        self.assertRegex(said[4], "PyTorch|NumPy")
        self.table.write_text(text.replace(said[3], "yesterday"))
        refused = run(PROGRAM, "score", self.table)
        self.assertEqual(refused.returncode, 3)
        self.assertRegex(refused.stderr, r"kernels-mine.yaml:\d+:\d+: error: date: 'yesterday' is no day")

    def test_constants_are_fitted_on_it(self):
        self.measured("--role", "fitted")
        # Only that constant has rows; the others say what they were measured on.
        fitted = re.sub(r"\n    (rows|measurement):.*?(?=\n    \w|\n  - )", "", FITTED, flags=re.S)
        fitted = re.sub(r"(\n    source:)", r"\n    measurement: none\1", fitted)
        fitted = re.sub(r"(- id: memory-share-strided\n(?:    .*\n)*?    fitted_on:.*\n)", r"\1    rows: [{family: kernels-mine, label: memory}]\n", fitted)
        (self.folder / "fitted.yaml").write_text(fitted)
        # A chip of one's own, laid over the catalogue: V100 whose elementwise kernels have that share of bandwidth.
        kernels = self.folder / "catalog/kernels"
        kernels.mkdir(parents=True)
        volta = (ROOT / "scenarios/catalog/kernels/volta.yaml").read_text()
        (kernels / "volta.yaml").write_text(re.sub(r"(memory: \{elementwise:) [\d.]+.*\}", r"\1 {fitted: memory-share-strided}, "
                                            "norm: {fitted: memory-share-strided}, cast: {fitted: memory-share-strided}, "
                                            "permute: {fitted: memory-share-strided}, optimizer: 0.8, gemm: 0.83, half_size: 0 MB}", volta, count=1))
        done = run(sys.executable, ROOT / "tools/calibrate.py", "--program", PROGRAM, "--fitted", self.folder / "fitted.yaml",
                   "--catalog", self.folder / "catalog", "--fit-only", self.table)
        self.assertEqual(done.returncode, 0, done.stderr)
        # A CPU moves bytes more slowly than the least share of V100's bandwidth that the range allows.
        self.assertRegex(done.stdout, r"memory-share-strided +0\.45 +0\.2 ")

    def test_without_a_gpu_it_says_so(self):
        refused = self.measure("--node", "hgx-h100", "--output", self.table, CUDA_VISIBLE_DEVICES="")
        self.assertEqual(refused.returncode, 4)
        self.assertRegex(refused.stderr, r"\Acalibrate: error: PyTorch .*--device cpu\n\Z")
        self.assertFalse(self.table.exists())

    def test_wrong_usage(self):
        for arguments, told in (([], "--node"), (["--node", "x", "--grid", "huge"], "huge"), (["--node", "x", "--repeats", "0"], "'0' is not a whole number above 0")):
            refused = self.measure(*arguments)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(told, refused.stderr)
        refused = self.measure("--device", "cpu", "--grid", "small", "--node", "x", "--repeats", "1", "--output", self.folder / "none/t.yaml")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("No such file or directory", refused.stderr)


if __name__ == "__main__":
    unittest.main()
