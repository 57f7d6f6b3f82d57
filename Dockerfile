# The controller's image: one static program, the certificate authorities of the world, and no shell.
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example.com/kerf:0.1.0 --push .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY apis apis
COPY cmd cmd
COPY controllers controllers
COPY pkg pkg
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /controller ./cmd/controller

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /controller /controller
USER 65532:65532
ENTRYPOINT ["/controller"]
