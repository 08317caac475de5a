# A static binary alone in an empty image: no shell, no package manager, not root.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY examples examples
COPY manifests manifests
RUN cargo build --release --locked && cp target/release/cutover /cutover

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /cutover /cutover
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt XDG_CACHE_HOME=/cache
USER 65532:65532
ENTRYPOINT ["/cutover"]
