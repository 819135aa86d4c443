import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/tools.ts", "test/support/cluster.ts"],
    pool: "forks",
    maxWorkers: 2,
    // They end what hangs, on however busy a machine.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // Programs that run as processes of their own, and are tested as such: what they run there is not counted here.
      exclude: [
        "src/main.ts",
        "src/cli/keyhold.ts",
        "src/venues/process/worker.ts",
        "src/db/write-schema.ts",
      ],
      thresholds: { lines: 90 },
      reporter: ["text-summary", "json-summary"],
    },
  },
});
