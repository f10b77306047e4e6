import { defineConfig } from 'vitest/config';

// The export condition "source" runs the tests on the TypeScript of every workspace, without a build.
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'bench/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // By itself vitest leaves a core unused, which on two cores is one test file at a time.
    maxWorkers: '100%',
  },
});
