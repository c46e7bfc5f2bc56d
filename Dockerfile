# CPU by default:            docker build -t ecgcore .
# for NVIDIA GPUs:           docker build -t ecgcore:gpu --build-arg TORCH_INDEX=https://pypi.org/simple .
# run (this machine alone):  docker run --rm -p 127.0.0.1:8501:8501 -v ecgcore:/workspace ecgcore
# a command:                 docker run --rm -v "$PWD:/data:ro" ecgcore ecgcore classify /data --run alexnet_m_se_gap
FROM python:3.13-slim AS build

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python -m venv /opt/ecgcore && /opt/ecgcore/bin/pip install --no-cache-dir --upgrade pip
# torch and torchvision come from one place, in a layer of their own.
RUN /opt/ecgcore/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" \
    "torch>=2.11,<3" "torchvision>=0.26,<1"
COPY . .
RUN /opt/ecgcore/bin/pip install --no-cache-dir .

FROM python:3.13-slim

LABEL org.opencontainers.image.title="ecgcore" \
      org.opencontainers.image.description="Clinical-research workplace for 12-lead ECGs. Research use only." \
      org.opencontainers.image.licenses="MIT"
RUN useradd --create-home --uid 10001 ecg && install -d -o ecg -g ecg /workspace
COPY --from=build /opt/ecgcore /opt/ecgcore
ENV PATH=/opt/ecgcore/bin:$PATH \
    ECGCORE_HOME=/workspace \
    PYTHONUNBUFFERED=1
USER ecg
WORKDIR /home/ecg
VOLUME /workspace
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health')"]
# The container's own network needs 0.0.0.0. Published on another address than 127.0.0.1, the
# dashboard shows nothing until sign-in is configured (docs/sign-in.md).
CMD ["ecgcore", "dashboard", "--host", "0.0.0.0"]
