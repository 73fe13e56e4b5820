# docker build -t jobsvc .
# docker run -p 8082:8082 -v jobsvc:/var/lib/jobsvc -e JOBSVC_API_KEYS=a-key-of-sixteen-characters jobsvc
#
# With -e DATABASE_URL=postgres://… the volume is not needed. --stop-timeout=40 leaves running jobs the time that
# jobsvc itself gives them.

FROM node:22-bookworm-slim AS build
WORKDIR /build
# What is installed changes less often than the sources, and is kept between builds.
COPY package.json package-lock.json .npmrc ./
COPY .ci/install .ci/
RUN sh .ci/install
COPY . .
RUN npm run build

# PostgreSQL needs glibc, libstdc++ and a shell, so this is the smallest image that serves.
FROM debian:bookworm-slim
# A fixed number, so that a volume still belongs to the user of the next image. initdb wants it to have a name.
RUN groupadd --gid 10001 jobsvc \
  && useradd --uid 10001 --gid jobsvc --no-create-home --home-dir /var/lib/jobsvc --shell /usr/sbin/nologin jobsvc \
  && install --directory --owner=jobsvc --group=jobsvc --mode=0700 /var/lib/jobsvc
COPY --from=build /build/jobsvc /usr/local/bin/jobsvc

USER jobsvc
WORKDIR /var/lib/jobsvc
VOLUME /var/lib/jobsvc
EXPOSE 8082
# Everybody can reach a container's port, so jobsvc asks for JOBSVC_API_KEYS here. A process that is only a worker
# has no API; it answers probes at the same port.
ENV JOBSVC_HOST=0.0.0.0 \
  JOBSVC_PORT=8082 \
  JOBSVC_PROBE_PORT=8082 \
  JOBSVC_DATA_DIR=/var/lib/jobsvc

STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["jobsvc", "healthcheck"]
# No shell in between: jobsvc is process 1 and gets the signals itself.
ENTRYPOINT ["jobsvc"]
