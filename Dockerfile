# syntax=docker/dockerfile:1
# Two stages: install production dependencies without running anybody's scripts, then copy them next to the source.
# Node 24 runs TypeScript as it is, so there is nothing to build.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY handlers ./handlers
COPY adapters ./adapters
COPY policies ./policies
# The root file system may be read-only (docker run --read-only): only /data is written, and it belongs to `node`.
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
# The store is beside the config, in /data/var, unless the config says otherwise.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The flags keep the memory small: one compiler thread, a small nursery, and WebAssembly optimised only where it is hot.
ENTRYPOINT ["node", "--v8-pool-size=1", "--max-semi-space-size=1", "--optimize-for-size", "--wasm-tiering-budget=100000000", "src/main.ts"]
CMD ["start", "--config", "/data/bascule.yaml", "--health", "8080"]
