# headgan with its models, for both sides of a call.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python scripts/fetch_models.py && python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
# What plays and records the sound of calls.
RUN apt-get update && apt-get install -y --no-install-recommends libportaudio2 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
# Not root; the groups may use cameras and sound cards.
RUN useradd --create-home --groups video,audio headgan
USER headgan
WORKDIR /home/headgan
CMD ["headgan-recv", "--help"]
