# Images of the services, for those who have a container engine (the local cluster needs none):
#   docker build --target operator --tag trilby/operator .
# Targets: operator, injector, sentry, placement, proxy, testapp.
ARG RUST=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST}-slim-${DEBIAN} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /workspace
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/workspace/target \
    cargo build --release --locked \
      --package operator --package injector --package sentry --package placement \
      --package proxy --package testapp \
    && mkdir /out \
    && cd target/release \
    && cp operator injector sentry placement proxy testapp /out/

# The C library, CA certificates and a user without privileges, and nothing else: no shell.
FROM gcr.io/distroless/cc-debian12:nonroot AS base
USER 65532:65532

FROM base AS operator
COPY --from=build /out/operator /operator
ENTRYPOINT ["/operator"]

FROM base AS injector
COPY --from=build /out/injector /injector
ENTRYPOINT ["/injector"]

FROM base AS sentry
COPY --from=build /out/sentry /sentry
ENTRYPOINT ["/sentry"]

FROM base AS placement
COPY --from=build /out/placement /placement
ENTRYPOINT ["/placement"]

FROM base AS proxy
COPY --from=build /out/proxy /proxy
ENTRYPOINT ["/proxy"]

FROM base AS testapp
COPY --from=build /out/testapp /testapp
ENTRYPOINT ["/testapp"]
