# The command `causeway` as an image: a node, and what docker-compose.yml runs beside it.

FROM node:24-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends tini
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY bench/package.json bench/
COPY packages/cli/package.json packages/cli/
COPY packages/client/package.json packages/client/
COPY packages/crdt/package.json packages/crdt/
COPY packages/node/package.json packages/node/
COPY packages/protocol/package.json packages/protocol/
COPY packages/replica/package.json packages/replica/
COPY packages/sim/package.json packages/sim/
COPY packages/wan-link/package.json packages/wan-link/
# No scripts: the root's would build before the sources are there, and native modules come prebuilt.
RUN npm ci --ignore-scripts
COPY tsconfig.base.json ./
COPY packages packages
RUN npx tsc -b packages/cli
# What is left is what runs.
RUN npm ci --ignore-scripts --omit=dev --workspace @causeway/cli && \
    find packages \( -name src -o -name 'tsconfig*' -o -name '*.tsbuildinfo' -o -name '*.map' -o -name '*.d.ts' \) \
      -not -path '*/node_modules/*' -prune -exec rm -r {} +

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /usr/bin/tini-static /usr/bin/tini
COPY LICENSE ./
COPY deploy/ready /usr/local/bin/
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages packages
# A named volume takes its owner from here.
RUN ln -s /app/node_modules/.bin/causeway /usr/local/bin/causeway && install -d -o node -g node /data
ENV NODE_ENV=production CAUSEWAY_DATA=/data
USER node
EXPOSE 7400 7500 7600
HEALTHCHECK --interval=3s --timeout=3s --start-period=30s --retries=3 CMD ["ready"]
ENTRYPOINT ["tini", "--", "causeway"]
CMD ["start"]
