"""Every registered network, and AlexNet row by row against Table 1 of paper 001."""

import sys

import pytest
import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from ecgcore.errors import EcgError, NotFound, RequestError
from ecgcore.models import create_model, list_models, model_info
from ecgcore.models.cost import Cost, cost

IMAGES = [name for name in list_models() if model_info(name).input == "image"]


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_alexnet_has_exactly_the_parameters_of_table_1():
    assert parameters(create_model("alexnet", classes=10)) == 58_322_314


def test_alexnet_matches_table_1_row_by_row():
    model = create_model("alexnet", classes=1000).eval()
    layers: list[tuple] = []

    def record_layer(module, inputs, output):
        layers.append((type(module).__name__, tuple(output.shape[1:]), module))

    kinds = (nn.Conv2d, nn.ReLU, nn.LocalResponseNorm, nn.MaxPool2d, nn.Linear, nn.Dropout)
    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(record_layer)
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    assert [(name, shape) for name, shape, _ in layers] == [
        ("Conv2d", (96, 55, 55)),
        ("ReLU", (96, 55, 55)),
        ("LocalResponseNorm", (96, 55, 55)),
        ("MaxPool2d", (96, 27, 27)),
        ("Conv2d", (256, 27, 27)),
        ("ReLU", (256, 27, 27)),
        ("LocalResponseNorm", (256, 27, 27)),
        ("MaxPool2d", (256, 13, 13)),
        ("Conv2d", (384, 13, 13)),
        ("ReLU", (384, 13, 13)),
        ("Conv2d", (384, 13, 13)),
        ("ReLU", (384, 13, 13)),
        ("Conv2d", (256, 13, 13)),
        ("ReLU", (256, 13, 13)),
        ("MaxPool2d", (256, 6, 6)),
        ("Linear", (4096,)),
        ("ReLU", (4096,)),
        ("Dropout", (4096,)),
        ("Linear", (4096,)),
        ("ReLU", (4096,)),
        ("Dropout", (4096,)),
        ("Linear", (1000,)),
    ]
    convolutions = [m for _, _, m in layers if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions] == [
        (11, 4, 2),
        (5, 1, 2),
        (3, 1, 1),
        (3, 1, 1),
        (3, 1, 1),
    ]
    pools = [m for _, _, m in layers if isinstance(m, nn.MaxPool2d)]
    assert all((p.kernel_size, p.stride) == (3, 2) for p in pools)
    assert all(m.p == 0.5 for _, _, m in layers if isinstance(m, nn.Dropout))


def test_local_response_norm_is_krizhevskys_formula():
    activity = torch.rand(1, 7, 2, 2)
    norm = next(m for m in create_model("alexnet").modules() if isinstance(m, nn.LocalResponseNorm))
    around = activity[:, 1:6].square().sum(1)  # n = 5 maps around map 3
    expected = activity[:, 3] / (2 + 1e-4 * around) ** 0.75
    torch.testing.assert_close(norm(activity)[:, 3], expected)
    torch.testing.assert_close(norm(activity), nn.LocalResponseNorm.forward(norm, activity))


def test_m_se_normalises_and_gates_each_of_the_five_blocks():
    model = create_model("alexnet_m_se")
    kinds = [[type(layer) for layer in stage] for stage in model.features]
    pooled = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, SqueezeExcitation, nn.MaxPool2d]
    assert kinds == [pooled, pooled, pooled[:-1], pooled[:-1], pooled]
    head = [type(layer) for layer in model.head]
    assert head.index(nn.Dropout) < head.index(nn.Linear)
    assert head.count(nn.Dropout) == 2


def test_batch_norm_makes_a_network_invariant_to_brightness():
    """A brighter batch changes the output of the first stage only without BatchNorm."""
    image = torch.rand(4, 3, 224, 224)
    for name, unchanged in (("alexnet_bn_gap", True), ("alexnet_gap", False)):
        first = create_model(name).train().features[0]
        assert torch.allclose(first(image), first(image * 3), atol=1e-3) is unchanged


def test_an_se_gate_weighs_whole_maps_between_0_and_1():
    gate = next(m for m in create_model("alexnet_se").modules() if isinstance(m, SqueezeExcitation))
    maps = torch.rand(2, 96, 5, 5) + 0.1
    weight = gate(maps) / maps
    assert torch.allclose(weight, weight[:, :, :1, :1].expand_as(weight))
    assert 0 < weight.min() <= weight.max() < 1


@pytest.mark.parametrize("name", list_models())
def test_every_model_gives_logits_and_a_gradient_to_every_parameter(name):
    torch.manual_seed(0)
    model = create_model(name, classes=7).train()
    batch = torch.rand(2, 3, 224, 224) if name in IMAGES else torch.randn(2, 12, 1000)
    logits = model(batch)
    assert logits.shape == (2, 7)
    nn.functional.cross_entropy(logits, torch.tensor([1, 5])).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", IMAGES)
def test_every_network_on_images_has_a_grad_cam_layer_of_13_by_13_cells(name):
    model = create_model(name).eval()
    shapes = []
    model.cam_layer.register_forward_hook(lambda *args: shapes.append(args[2].shape[2:]))
    with torch.no_grad():
        model(torch.rand(1, 3, 224, 224))
    assert shapes == [(13, 13)]


def test_gap_models_take_any_size():
    assert model_info("alexnet_gap").fixed_size is None
    assert create_model("alexnet_gap").eval()(torch.rand(1, 3, 160, 320)).shape == (1, 10)


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(NotFound, match=r"There is no model 'alexnet-m-se'. Did you mean 'alexnet_"):
        create_model("alexnet-m-se")


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(RequestError, match="does not take the options depth; accepted: dropout"):
        create_model("alexnet", depth=3)


def test_resnet1d_grows_with_depth_width_and_kernel():
    least = {"depth": 4, "width": 8, "kernel": 3}
    small = parameters(create_model("resnet1d", **least))
    for wider in ({"depth": 8}, {"width": 16}, {"kernel": 9}):
        assert parameters(create_model("resnet1d", **least | wider)) > 1.5 * small


def test_resnet1d_reads_any_length_and_treats_missing_samples_as_zero():
    torch.manual_seed(0)
    model = create_model("resnet1d", width=8).eval()
    signal_mv = torch.randn(2, 12, 1000)
    signal_mv[:, :, 800:] = 0
    missing = signal_mv.clone()
    missing[:, :, 800:] = float("nan")
    torch.testing.assert_close(model(signal_mv), model(missing))
    assert model(torch.randn(1, 12, 2500)).shape == (1, 10)


def test_a_block_of_resnet1d_adds_its_convolutions_to_its_shortcut():
    """With convolutions that return zeros, a block is its shortcut."""
    block = create_model("resnet1d", depth=8, width=8).stages[1].eval()
    nn.init.zeros_(block.convolutions[0].weight)
    maps = torch.rand(1, block.convolutions[0].in_channels, 40)
    assert isinstance(block.shortcut, nn.Identity)
    torch.testing.assert_close(block(maps), maps)


@pytest.mark.parametrize("shape", [{"depth": 3}, {"width": 0}, {"kernel": 4}])
def test_a_shape_that_cannot_be_built_is_refused(shape):
    with pytest.raises(RequestError, match="resnet1d has no shape"):
        create_model("resnet1d", **shape)


def test_multiply_adds_are_those_counted_by_hand():
    assert cost(create_model("alexnet"), (3, 224, 224)) == Cost(58_322_314, 1_131_201_056)
    net = nn.Sequential(nn.Conv1d(12, 4, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(200, 5))
    assert cost(net, (12, 100)) == Cost(148 + 1005, 12 * 4 * 3 * 50 + 200 * 5)


def test_a_torchvision_that_does_not_fit_torch_is_refused_in_one_line(monkeypatch):
    class Misfit:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist\nmore lines")

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Misfit(), *sys.meta_path])
    with pytest.raises(EcgError) as refusal:
        create_model("alexnet_m_se_gap")
    assert str(refusal.value) == (
        "torchvision does not work beside the installed torch (operator torchvision::nms does not "
        "exist); install both from one index, for the CPU alone: pip install --force-reinstall "
        "torch torchvision --index-url https://download.pytorch.org/whl/cpu (docs/install.md)."
    )
