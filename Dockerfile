# headgan with its models, for both sides of a call.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python scripts/fetch_models.py && python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
# Not root; the group may read cameras.
RUN useradd --create-home --groups video headgan
USER headgan
WORKDIR /home/headgan
CMD ["headgan-recv", "--help"]
