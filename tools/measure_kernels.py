"""Times kernels on this machine and writes them as a table of measured rows, which `trainfare score` scores and tools/calibrate fits on.

Matrix multiplies, grouped ones, attention and kernels bound by memory, each alone, over a grid of shapes. On a GPU: PyTorch,
CUDA events around each launch, after warm-up launches; operands rotate among copies, and the L2 cache is overwritten
before every launch, so that nothing is read from it. A row is the median of the repeats. Host time is not in it: launches
are queued behind the overwriting. On a CPU (PyTorch, else NumPy) the same grid is timed by the clock; such a table tries
the tool and says nothing of accelerators.
"""

import argparse
import datetime
import importlib
import json
import math
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

NOTHING_TO_MEASURE_ON = 4
EPILOG = """exit codes: 0 the table is written; 2 wrong usage; 3 the table cannot be written; 4 nothing to measure on: no PyTorch
2.0 or no GPU (--device cuda), neither PyTorch nor NumPy (--device cpu). What the device or the library cannot do is
named on stderr and has no row."""
COLUMNS = {  # name: key below the probe
    "precision": "matrix_multiply.precision", "groups": "matrix_multiply.groups", "m": "matrix_multiply.m",
    "n": "matrix_multiply.n", "k": "matrix_multiply.k", "implementation": "attention.implementation",
    "causal": "attention.causal", "pass": "attention.pass", "sequences": "attention.sequences",
    "length": "attention.sequence_length", "heads": "attention.heads", "head_dim": "attention.head_dim",
    "kind": "memory.kind", "size": "memory.size"}
MEMORY_KINDS = ("elementwise", "norm", "cast", "transpose", "permute", "optimizer")


class Unsupported(Exception):
    """The device or the library cannot do this."""


# -- What is timed -------------------------------------------------------------------------------


def full_grid():
    for m, n in ((1024, 8192), (2048, 2048), (3072, 3072), (4096, 4096), (4096, 14336), (8192, 8192)):
        for k in (256, 512, 1024, 2048, 4096, 8192, 16384):
            for precision in ("16-bit", "fp8"):
                yield "gemm", {"precision": precision, "groups": 1, "m": m, "n": n, "k": k}
    for groups in (4, 8, 16, 32):
        for m in (64, 256, 1024, 4096):
            for n, k in ((4096, 7168), (7168, 2048), (1536, 2048), (2048, 768)):
                yield "grouped-gemm", {"precision": "16-bit", "groups": groups, "m": m, "n": n, "k": k}
    for length in (512, 1024, 2048, 4096, 8192, 16384):
        for head_dim in (64, 128):
            for causal in (True, False):
                for direction in ("forward", "backward"):
                    yield "attention", attention(16384 // length, length, 2048 // head_dim, head_dim, causal, direction)
    for kind in MEMORY_KINDS:
        for megabytes in (2, 8, 32, 64, 128, 256, 512, 1024):
            yield "memory", {"kind": kind, "size": megabytes * 1000 * 1000}


def small_grid():
    yield "gemm", {"precision": "16-bit", "groups": 1, "m": 64, "n": 96, "k": 128}
    yield "gemm", {"precision": "fp8", "groups": 1, "m": 64, "n": 96, "k": 128}
    yield "grouped-gemm", {"precision": "16-bit", "groups": 2, "m": 32, "n": 64, "k": 96}
    for direction in ("forward", "backward"):
        yield "attention", attention(1, 128, 2, 64, True, direction)
    for kind in MEMORY_KINDS:
        yield "memory", {"kind": kind, "size": 100 * 1000}


def attention(sequences, length, heads, head_dim, causal, direction):
    return {"causal": causal, "pass": direction, "sequences": sequences, "length": length, "heads": heads, "head_dim": head_dim}


# -- Backends: each makes a kernel as a function of a turn, in which it uses the turn-th copy of its operands -------------------


class NumpyBackend:
    wide = "fp16"  # its 16-bit type; NumPy has no BF16
    attention_name = "unfused"

    def __init__(self, numpy, copies):
        self.numpy, self.copies = numpy, copies
        self.random = numpy.random.default_rng(1)
        self.measured = {"device": platform.processor() or platform.machine(), "driver": f"{platform.system()} {platform.release()}",
                         "software": f"NumPy {numpy.__version__}"}

    def tensors(self, *shape, type_name="float16"):
        return [self.random.standard_normal(shape).astype(type_name) for _ in range(self.copies)]

    def gemm(self, precision, groups, m, n, k):
        if precision == "fp8":
            raise Unsupported("NumPy has no 8-bit floats")
        a, b = self.tensors(groups, m, k), self.tensors(groups, k, n)
        return lambda turn: self.numpy.matmul(a[turn], b[turn])

    def attention(self, causal, sequences, length, heads, head_dim, **direction):
        if direction["pass"] == "backward":
            raise Unsupported("NumPy has no gradients")
        numpy = self.numpy
        q, k, v = (self.tensors(sequences, heads, length, head_dim, type_name="float32") for _ in range(3))
        mask = numpy.triu(numpy.full((length, length), -math.inf, "float32"), 1) if causal else numpy.float32(0)

        def run(turn):
            scores = numpy.exp(q[turn] @ k[turn].swapaxes(-1, -2) / math.sqrt(head_dim) + mask)
            return scores / scores.sum(-1, keepdims=True) @ v[turn]
        return run

    def memory(self, kind, size):
        numpy = self.numpy
        if kind == "elementwise":
            a, b = self.tensors(size // 6), self.tensors(size // 6)
            return lambda turn: numpy.add(a[turn], b[turn], out=b[turn])
        if kind == "cast":
            wide, narrow = self.tensors(size // 6, type_name="float32"), self.tensors(size // 6)
            return lambda turn: numpy.copyto(narrow[turn], wide[turn])
        side = math.isqrt(size // 4)
        x = self.tensors(side, side)
        if kind == "transpose":
            return lambda turn: numpy.ascontiguousarray(x[turn].T)
        if kind == "permute":
            order = self.random.permutation(side)
            return lambda turn: x[turn][order]
        raise Unsupported(f"NumPy has no {kind} in one kernel")

    def times(self, run, repeats):
        for turn in range(self.copies):
            run(turn)
        for repeat in range(repeats):
            start = time.perf_counter()
            run(repeat % self.copies)
            yield time.perf_counter() - start


class TorchBackend:
    wide = "bf16"

    def __init__(self, torch, device, copies):
        self.torch, self.device, self.copies = torch, device, copies
        self.gpu = device == "cuda"
        self.attention_name = "flash-attention-2" if self.gpu else "unfused"
        torch.manual_seed(1)
        software = [f"PyTorch {torch.__version__}"]
        if self.gpu:
            properties = torch.cuda.get_device_properties(0)
            software += [f"CUDA {torch.version.cuda}", f"cuDNN {torch.backends.cudnn.version()}"]
            cache = getattr(properties, "L2_cache_size", 0) or 128 << 20
            self.overwritten = torch.empty(4 * cache, dtype=torch.int8, device=device)
            name, driver = torch.cuda.get_device_name(0), gpu_driver()
        else:
            name, driver = platform.processor() or platform.machine(), f"{platform.system()} {platform.release()}"
        self.measured = {"device": name, "driver": driver, "software": ", ".join(software)}

    def tensors(self, *shape, type_name="bfloat16", gradient=False):
        type_ = getattr(self.torch, type_name)
        made = [self.torch.randn(*shape, device=self.device).to(type_) for _ in range(self.copies)]
        return [tensor.requires_grad_(gradient) for tensor in made]

    def gemm(self, precision, groups, m, n, k):
        torch = self.torch
        if precision == "fp8":
            return self.fp8_gemm(m, n, k)
        weights = self.tensors(groups, n, k)  # lie as those of a linear layer
        if groups == 1:
            a, result = self.tensors(m, k), torch.empty(m, n, dtype=torch.bfloat16, device=self.device)
            return lambda turn: torch.mm(a[turn], weights[turn][0].t(), out=result)
        if not self.gpu or not hasattr(torch, "_grouped_mm"):  # batched multiplies are other kernels
            raise Unsupported(f"no grouped multiplies in {self.measured['software']} on {self.measured['device']}")
        a = self.tensors(groups * m, k)
        ends = torch.arange(m, groups * m + 1, m, dtype=torch.int32, device=self.device)
        return lambda turn: torch._grouped_mm(a[turn], weights[turn].transpose(1, 2), offs=ends)

    def fp8_gemm(self, m, n, k):
        torch = self.torch
        if not self.gpu or not hasattr(torch, "_scaled_mm") or torch.cuda.get_device_capability(0) < (8, 9):
            raise Unsupported(f"no 8-bit multiplies in {self.measured['software']} on {self.measured['device']}")
        a, b = self.tensors(m, k, type_name="float8_e4m3fn"), self.tensors(n, k, type_name="float8_e4m3fn")
        one = torch.ones((), device=self.device)
        return lambda turn: torch._scaled_mm(a[turn], b[turn].t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)

    def attention(self, causal, sequences, length, heads, head_dim, **direction):
        shape = (sequences, heads, length, head_dim)
        q, k, v = (self.tensors(*shape, gradient=True) for _ in range(3))

        def forward(turn):
            return self.fused(q[turn], k[turn], v[turn], causal) if self.gpu else self.unfused(q[turn], k[turn], v[turn], causal)
        if direction["pass"] == "forward":
            def run(turn):
                with self.torch.no_grad():
                    return forward(turn)
            return run
        results = [forward(turn) for turn in range(self.copies)]
        gradient = self.torch.randn_like(results[0])
        return lambda turn: self.torch.autograd.grad(results[turn], (q[turn], k[turn], v[turn]), gradient, retain_graph=True)

    def fused(self, q, k, v, causal):
        """PyTorch's FlashAttention-2, and no other of its implementations."""
        torch = self.torch
        if hasattr(torch.nn, "attention"):
            kernels = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION)
        else:
            kernels = torch.backends.cuda.sdp_kernel(enable_flash=True, enable_math=False, enable_mem_efficient=False)
        with kernels:
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def unfused(self, q, k, v, causal):
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if causal:
            scores = scores.masked_fill(self.torch.ones_like(scores, dtype=self.torch.bool).triu(1), -math.inf)
        return self.torch.softmax(scores, -1) @ v

    def memory(self, kind, size):
        torch, device = self.torch, self.device
        if kind == "elementwise":  # reads two, writes one
            a, b, c = (self.tensors(size // 6) for _ in range(3))
            return lambda turn: torch.add(a[turn], b[turn], out=c[turn])
        if kind == "norm":  # reads rows, writes them
            x = self.tensors(max(1, size // 4 // 4096), 4096)
            return lambda turn: torch.nn.functional.layer_norm(x[turn], (4096,))
        if kind == "cast":  # to the narrower type: 8 bit where there is one
            narrow, bytes_moved = (torch.float8_e4m3fn, 3) if hasattr(torch, "float8_e4m3fn") else (torch.bfloat16, 6)
            x = self.tensors(size // bytes_moved, type_name="bfloat16" if bytes_moved == 3 else "float32")
            y = torch.empty(size // bytes_moved, dtype=narrow, device=device)
            return lambda turn: y.copy_(x[turn])
        if kind == "optimizer":  # weight, gradient and two moments in FP32: seven reads and writes of 4 bytes
            return self.optimizer(size // 28)
        rows = max(1, size // 4 // 4096)
        x, y = self.tensors(rows, 4096), torch.empty(rows, 4096, dtype=torch.bfloat16, device=device)
        if kind == "transpose":
            y = y.view(4096, rows)
            return lambda turn: y.copy_(x[turn].t())
        order = torch.randperm(rows, device=device)
        return lambda turn: torch.index_select(x[turn], 0, order, out=y)

    def optimizer(self, parameters):
        if not self.gpu:
            raise Unsupported("no optimizer in one kernel without a GPU")
        steps = []
        for weight in self.tensors(parameters, type_name="float32", gradient=True):
            weight.grad = self.torch.randn_like(weight)
            steps.append(self.torch.optim.AdamW([weight], fused=True))
        return lambda turn: steps[turn].step()

    def times(self, run, repeats):
        for turn in range(self.copies):
            run(turn)
        if not self.gpu:
            yield from NumpyBackend.times(self, run, repeats)
            return
        cuda = self.torch.cuda
        events = [(cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)) for _ in range(repeats)]
        if hasattr(cuda, "_sleep"):
            cuda._sleep(2_000_000 * repeats)  # cycles, about a millisecond for each launch: the host gets ahead
        for repeat, (start, end) in enumerate(events):
            self.overwritten.zero_()
            start.record()
            run(repeat % self.copies)
            end.record()
        cuda.synchronize()
        yield from (start.elapsed_time(end) / 1e3 for start, end in events)


def gpu_driver():
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not told by nvidia-smi"


def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def backend_for(device, copies):
    torch = imported("torch")
    if device == "cuda":
        if torch is None:
            stop(NOTHING_TO_MEASURE_ON, "PyTorch is not installed; install it, or try the tool with --device cpu")
        if not hasattr(torch.nn.functional, "scaled_dot_product_attention"):
            stop(NOTHING_TO_MEASURE_ON, f"PyTorch {torch.__version__} has no fused attention; install 2.0 or newer")
        if not torch.cuda.is_available():
            stop(NOTHING_TO_MEASURE_ON, "PyTorch sees no GPU; measure on a machine that has one, or try the tool with --device cpu")
        return TorchBackend(torch, device, copies)
    numpy = imported("numpy")
    if torch is None and numpy is None:
        stop(NOTHING_TO_MEASURE_ON, "neither PyTorch nor NumPy is installed; install one of them")
    return TorchBackend(torch, device, copies) if torch is not None else NumpyBackend(numpy, copies)


# -- Rows and the table -------------------------------------------------------------------------


def measure(backend, kernel, shape, repeats):
    """The row's cells by column, and the median time in seconds."""
    cells = dict(shape)
    if kernel.endswith("gemm"):
        cells["precision"] = backend.wide if shape["precision"] == "16-bit" else shape["precision"]
        run = backend.gemm(**cells)
    elif kernel == "attention":
        cells["implementation"] = backend.attention_name
        run = backend.attention(**shape)
    else:
        cells["size"] = f"{shape['size']} B"
        run = backend.memory(**shape)
    return cells, statistics.median(backend.times(run, repeats))


def measured_rows(backend, grid, repeats):
    refused = set()
    for kernel, shape in grid:
        try:
            cells, seconds = measure(backend, kernel, shape, repeats)
        except (Unsupported, RuntimeError, MemoryError) as error:
            reason = f"{kernel}: not measured: {str(error).splitlines()[0]}"
            if reason not in refused:
                print(f"calibrate: note: {reason}", file=sys.stderr)
            refused.add(reason)
            continue
        yield [kernel, *(cells.get(name) for name in COLUMNS), float(f"{seconds * 1e6:.4g}")]


def table_text(name, node, role, measured, rows):
    quoted = {key: json.dumps(value) for key, value in measured.items()}
    columns = "".join(f"  - {{name: {column}, path: probes.kernel.{path}}}\n" for column, path in COLUMNS.items())
    lines = "".join("  - [" + ", ".join(json.dumps(cell).strip('"') for cell in row) + "]\n" for row in rows)
    return f"""# Kernels timed by tools/calibrate --measure, each alone: medians, without host time.
name: {name}
source: {json.dumps(f"measured with tools/calibrate --measure on {measured['device']}, {measured['date']}")}
measured: {{device: {quoted['device']}, driver: {quoted['driver']}, date: {measured['date']}, software: {quoted['software']}}}
flops: not used, times are measured
scenario:
  cluster: {{node: {node}, nodes: 1, fabric: rail-optimized-400g}}
  model: llama-3.1-8b
  stack: megatron-core
  stages: []
  price: {{rental: 2 USD/GPU-hour}}
columns:
  - name: kernel
    points:
      - {{label: gemm, set: {{probes: [{{name: kernel, matrix_multiply: {{m: 1, n: 1, k: 1}}}}]}}}}
      - {{label: grouped-gemm, set: {{probes: [{{name: kernel, matrix_multiply: {{m: 1, n: 1, k: 1}}}}]}}}}
      - {{label: attention, set: {{probes: [{{name: kernel, attention: {{sequence_length: 1, heads: 1}}}}]}}}}
      - {{label: memory, set: {{probes: [{{name: kernel, memory: {{size: 1 B}}}}]}}}}
{columns}  - {{name: time, quantity: probes.kernel.time_s, unit: us, role: {role}}}
rows:
{lines}"""


def stop(code, message):
    print(f"calibrate: error: {message}", file=sys.stderr)
    sys.exit(code)


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def main():
    parser = argparse.ArgumentParser(prog="tools/calibrate", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="times kernels instead of fitting constants")
    parser.add_argument("--node", required=True, help="node of the catalogue that has this accelerator, such as hgx-h100; the table stands on it")
    parser.add_argument("--output", type=Path, default=Path("kernels-measured.yaml"), help="table to write; its name without .yaml names the family")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cuda: PyTorch on the first GPU; cpu: tries the tool")
    parser.add_argument("--grid", choices=("small", "full"), default="full", help="small: a few tiny shapes, to try the tool")
    parser.add_argument("--role", choices=("held-out", "fitted"), default="held-out", help="fitted: rows that tools/calibrate may fit constants on; no evidence then")
    parser.add_argument("--repeats", type=positive, default=20, help="launches timed for each row (20)")
    parser.add_argument("--copies", type=positive, default=3, help="copies of the operands, used in turn (3)")
    given = parser.parse_args()

    backend = backend_for(given.device, given.copies)
    measured = {**backend.measured, "date": datetime.date.today().isoformat()}
    grid = full_grid() if given.grid == "full" else small_grid()
    rows = list(measured_rows(backend, grid, given.repeats))
    if not rows:
        stop(NOTHING_TO_MEASURE_ON, "no kernel could be measured")
    try:
        given.output.write_text(table_text(given.output.stem, given.node, given.role, measured, rows))
    except OSError as error:
        stop(3, f"{given.output}: {error.strerror}")
    print(f"{given.output}: {len(rows)} kernels on {measured['device']}, {measured['date']}")


if __name__ == "__main__":
    main()
