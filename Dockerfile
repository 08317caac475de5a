# A static binary alone in an empty image: no shell, no package manager, not root.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY examples examples
COPY manifests manifests
RUN cargo build --release --locked
# Mirrors of repositories are kept in /cache; the demo keeps its own in /tmp.
RUN mkdir -p /image/etc/ssl/certs && mkdir -m 1777 /image/cache /image/tmp \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && cp target/release/cutover /image/

FROM scratch
COPY --from=build /image /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt XDG_CACHE_HOME=/cache
USER 65532:65532
ENTRYPOINT ["/cutover"]
