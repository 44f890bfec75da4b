"""Float networks in the habits of well-known repositories: groups exchanged, gates expanded, means in turn."""

# mypy: ignore-errors
# They are written as their authors write, without types.

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn_leaky(i, o, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.1, inplace=True)
    )


class TinyYOLO(nn.Module):
    """Two heads, the second on an upsampled map next to an earlier one."""

    def __init__(self, nc=3, na=2):
        super().__init__()
        self.c1, self.c2, self.c3 = conv_bn_leaky(3, 8), conv_bn_leaky(8, 16), conv_bn_leaky(16, 16)
        self.p, self.up = nn.MaxPool2d(2, 2), nn.Upsample(scale_factor=2)
        self.c4 = conv_bn_leaky(32, 16, 1)
        self.head1, self.head2 = nn.Conv2d(16, na * (nc + 5), 1), nn.Conv2d(16, na * (nc + 5), 1)

    def forward(self, x):
        a = self.c2(self.p(self.c1(x)))
        b = self.c3(self.p(a))
        c = self.c4(torch.cat([self.up(b), a], 1))
        return self.head1(b), self.head2(c)


class SELayer(nn.Module):
    def __init__(self, channel, reduction=4):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class SENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.se = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), SELayer(16)
        self.conv2, self.bn2, self.se2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), SELayer(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        residual = x = F.relu(self.bn1(self.conv1(x)))
        x = self.se2(self.bn2(self.conv2(self.se(x))))
        x = F.relu(x + residual)
        x = F.avg_pool2d(x, x.size()[2:])
        return self.fc(x.view(x.size(0), -1))


def channel_shuffle(x, groups):
    batchsize, num_channels, height, width = x.data.size()
    x = x.view(batchsize, groups, num_channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batchsize, -1, height, width)


class ShuffleNetV1(nn.Module):
    """Grouped convolutions, shuffled channels, a padded average pooling as the shortcut."""

    def __init__(self, groups=2):
        super().__init__()
        self.groups = groups
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.gconv1, self.bn1 = nn.Conv2d(8, 8, 1, groups=groups), nn.BatchNorm2d(8)
        self.dwconv, self.bn2 = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.BatchNorm2d(8)
        self.gconv2, self.bn3 = nn.Conv2d(8, 8, 1, groups=groups), nn.BatchNorm2d(8)
        self.shortcut = nn.AvgPool2d(3, stride=2, padding=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        out = channel_shuffle(F.relu(self.bn1(self.gconv1(x))), self.groups)
        out = self.bn3(self.gconv2(self.bn2(self.dwconv(out))))
        x = F.relu(torch.cat((out, self.shortcut(x)), 1))
        return self.fc(x.mean(3).mean(2))


class Bottleneck(nn.Module):
    def __init__(self, i, growth):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), nn.Conv2d(i, 4 * growth, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        out = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return torch.cat((x, out), 1)


class DenseNetBC(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.dense1, self.dense2 = self._make_dense(8, 4, 2), self._make_dense(8, 4, 2)
        self.bn_t, self.trans = nn.BatchNorm2d(16), nn.Conv2d(16, 8, 1, bias=False)
        self.bn, self.fc = nn.BatchNorm2d(16), nn.Linear(16, 10)

    def _make_dense(self, channels, growth, blocks):
        layers = []
        for _ in range(int(blocks)):
            layers.append(Bottleneck(channels, growth))
            channels += growth
        return nn.Sequential(*layers)

    def forward(self, x):
        out = self.dense1(self.conv1(x))
        out = self.dense2(F.avg_pool2d(self.trans(F.relu(self.bn_t(out))), 2))
        out = F.avg_pool2d(F.relu(self.bn(out)), 4).flatten(start_dim=1)
        return F.log_softmax(self.fc(out), dim=1)


class BasicConv2d(nn.Module):
    def __init__(self, i, o, **kwargs):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(i, o, bias=False, **kwargs), nn.BatchNorm2d(o, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Branches in a list, one of them behind F.avg_pool2d with padding."""

    def __init__(self, aux_logits=False, transform_input=False):
        super().__init__()
        self.transform_input = transform_input
        self.aux = nn.Linear(32, 10) if aux_logits else None
        self.stem = BasicConv2d(3, 8, kernel_size=3, stride=2, padding=1)
        self.b1, self.bp = BasicConv2d(8, 8, kernel_size=1), BasicConv2d(8, 8, kernel_size=1)
        self.b5_1, self.b5_2 = BasicConv2d(8, 4, kernel_size=1), BasicConv2d(4, 8, kernel_size=5, padding=2)
        self.b3_1 = BasicConv2d(8, 4, kernel_size=1)
        self.b3_2a = BasicConv2d(4, 4, kernel_size=(1, 3), padding=(0, 1))
        self.b3_2b = BasicConv2d(4, 4, kernel_size=(3, 1), padding=(1, 0))
        self.dropout, self.fc = nn.Dropout(), nn.Linear(32, 10)

    def forward(self, x):
        if self.transform_input:
            x = x * 2
        x = self.stem(x)
        branch3 = self.b3_1(x)
        branch3 = torch.cat([self.b3_2a(branch3), self.b3_2b(branch3)], 1)
        pooled = self.bp(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        x = torch.cat([self.b1(x), self.b5_2(self.b5_1(x)), branch3, pooled], 1)
        x = F.adaptive_max_pool2d(x, (1, 1))
        return self.fc(torch.flatten(self.dropout(x), 1))


class WideBlock(nn.Module):
    """Batch norm and ReLU in front of each convolution; the shortcut is a convolution, or False and None by turns."""

    def __init__(self, i, o, stride, drop_rate=0.0):
        super().__init__()
        self.bn1, self.relu1 = nn.BatchNorm2d(i), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(o), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.drop_rate, self.equal = drop_rate, i == o
        self.shortcut = ((not self.equal) and nn.Conv2d(i, o, 1, stride, 0, bias=False)) or None

    def forward(self, x):
        if not self.equal:
            x = self.relu1(self.bn1(x))
        else:
            out = self.relu1(self.bn1(x))
        out = self.relu2(self.bn2(self.conv1(out if self.equal else x)))
        if self.drop_rate > 0:
            out = F.dropout(out, p=self.drop_rate, training=self.training)
        out = self.conv2(out)
        return torch.add(x if self.equal else self.shortcut(x), out)


class WideResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(WideBlock(8, 12, 1, 0.3), WideBlock(12, 12, 1, 0.3), WideBlock(12, 16, 2))
        self.bn1, self.relu, self.fc = nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.Linear(16, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                m.bias.data.zero_()

    def forward(self, x):
        out = self.relu(self.bn1(self.blocks(self.conv1(x))))
        return self.fc(F.avg_pool2d(out, 4).view(-1, 16))


class CausalConv(nn.Module):
    def __init__(self, i, o, kernel, dilation):
        super().__init__()
        self.pad, self.conv = (kernel - 1) * dilation, nn.Conv1d(i, o, kernel, dilation=dilation)

    def forward(self, x):
        return self.conv(F.pad(x, (self.pad, 0)))


class CausalTCN(nn.Module):
    """Padding in front, layers in a ModuleList of ModuleDicts, the last step."""

    def __init__(self, c=4, h=8, n=3):
        super().__init__()
        self.levels = nn.ModuleList()
        for at, i in enumerate((c, h)):
            self.levels.append(nn.ModuleDict({"conv": CausalConv(i, h, 3, 2**at), "skip": nn.Conv1d(i, h, 1)}))
        self.out = nn.Conv1d(h, n, 1)

    def forward(self, x):
        for level in self.levels:
            x = torch.relu(level["conv"](x)) + level["skip"](x)
        return self.out(x)[..., -1]


class KeywordSpotter(nn.Module):
    """Spectrograms without a channel, which unsqueeze gives them; padding by name."""

    def __init__(self, classes=4):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, (4, 4), stride=(2, 2)), nn.Conv2d(8, 8, (3, 3), padding="same")
        self.dw, self.pw = nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.Conv2d(8, 16, 1)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.conv1(x.unsqueeze(1)))
        x = F.relu(self.pw(F.relu(self.dw(F.relu6(self.conv2(x))))))
        return self.fc(x.mean(dim=(-2, -1)))


class ConvAutoencoder(nn.Module):
    """A Sequential of an OrderedDict down; a transposed convolution and an interpolation up."""

    def __init__(self):
        super().__init__()
        down = [("conv1", nn.Conv2d(1, 8, 3, 2, 1)), ("act1", nn.ReLU()), ("conv2", nn.Conv2d(8, 4, 3, 2, 1))]
        self.encoder = nn.Sequential(OrderedDict([*down, ("act2", nn.ReLU())]))
        self.up, self.conv = nn.ConvTranspose2d(4, 8, 2, stride=2), nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x):
        y = F.interpolate(F.relu(self.up(self.encoder(x))), scale_factor=2, mode="nearest")
        return torch.sigmoid(self.conv(y))


class DictOfLayers(nn.Module):
    """Layers in a plain dict, arguments with defaults, assertions and an early refusal."""

    def __init__(self):
        super().__init__()
        self.layers = {"fc1": nn.Linear(16, 24), "fc2": nn.Linear(24, 24), "out": nn.Linear(24, 3)}
        for key, value in self.layers.items():
            self.add_module(key, value)

    def forward(self, x, return_hidden: bool = False, scale=None):
        assert x.dim() == 2, "rows"
        if x.ndim != 2:
            raise ValueError("shape")
        for key in ["fc1", "fc2"]:
            x = F.relu(self.layers[key](x))
        y = self.layers["out"](x)
        if scale is not None:
            y = y * scale
        return (y, x) if return_hidden else y


class TableRegressor(nn.Module):
    """A batch norm at the door, a residual, and a target without a dimension."""

    def __init__(self):
        super().__init__()
        self.input_bn, self.fc1, self.bn = nn.BatchNorm1d(16), nn.Linear(16, 32), nn.BatchNorm1d(32)
        self.fc2, self.out = nn.Linear(32, 16), nn.Linear(16, 1)

    def forward(self, x):
        x = self.input_bn(x)
        y = F.dropout(F.relu(self.bn(self.fc1(x))), 0.2, self.training)
        return torch.squeeze(self.out(F.relu(x + self.fc2(y))), -1)


class CReLU(nn.Module):
    """Each feature with both signs."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(16, 4)

    def forward(self, x):
        x = self.conv(x)
        x = F.relu(torch.cat([x, -x], dim=1))
        return self.fc(F.max_pool2d(x, 8).flatten(1))


class Siamese(nn.Module):
    """Two halves through one branch, and their difference."""

    def __init__(self):
        super().__init__()
        self.branch, self.out = nn.Sequential(nn.Linear(16, 16), nn.ReLU()), nn.Linear(16, 2)

    def forward(self, x):
        a, b = x.chunk(2, dim=-1)
        return self.out(F.relu(self.branch(a) - self.branch(b)))


HABITS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "tiny yolo": (TinyYOLO, (3, 16, 16)),
    "se net": (SENet, (3, 8, 8)),
    "shufflenet v1": (ShuffleNetV1, (3, 8, 8)),
    "densenet bc": (DenseNetBC, (3, 8, 8)),
    "inception": (Inception, (3, 12, 12)),
    "wide resnet": (WideResNet, (3, 8, 8)),
    "causal tcn": (CausalTCN, (4, 20)),
    "keyword spotter": (KeywordSpotter, (20, 10)),
    "conv autoencoder": (ConvAutoencoder, (1, 8, 8)),
    "dict of layers": (DictOfLayers, (16,)),
    "table regressor": (TableRegressor, (16,)),
    "crelu": (CReLU, (3, 8, 8)),
    "siamese": (Siamese, (32,)),
}
"""Name -> network, shape of a sample."""
