"""Devices are there or the message says what is; bf16 is taken only where it is fast."""

import re
from pathlib import Path

import pytest
import torch

from medseg.errors import InputError
from medseg.inference import available_devices, choose_device, choose_precision
from medseg.inference.device import autocast

CPU = torch.device("cpu")


def test_the_cpu_is_always_there():
    assert available_devices()[-1] == "cpu"
    assert choose_device("cpu") == CPU


def test_auto_takes_the_first_that_is_there():
    assert choose_device("auto").type == available_devices()[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none_says_what_there_is():
    with pytest.raises(InputError, match=r"device cuda: there is none here\. Present: .*cpu"):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", ""])
def test_an_unknown_device_lists_the_known(name):
    with pytest.raises(InputError, match=rf"device '{re.escape(name)}': expected one of auto, cpu, cuda, mps"):
        choose_device(name)


def test_precision_is_taken_as_asked():
    assert choose_precision(CPU, "bf16") == "bf16"
    assert choose_precision(CPU, "fp32") == "fp32"


def test_an_unknown_precision_lists_the_known():
    with pytest.raises(InputError, match="precision 'fp16': expected one of auto, bf16, fp32"):
        choose_precision(CPU, "fp16")


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="needs the kernel's list of instructions")
def test_auto_takes_bf16_on_a_cpu_exactly_where_the_kernel_lists_its_instructions():
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = set(re.findall(r"\w+", " ".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", text, flags=re.MULTILINE))))
    has_bf16 = bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    assert choose_precision(CPU, "auto") == ("bf16" if has_bf16 else "fp32")


def test_autocast_computes_with_what_was_chosen():
    layer, values = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with torch.no_grad(), autocast(CPU, "bf16"):
        assert layer(values).dtype is torch.bfloat16
    with torch.no_grad(), autocast(CPU, "fp32"):
        assert layer(values).dtype is torch.float32
