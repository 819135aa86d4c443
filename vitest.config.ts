import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { findProjects } from "./test/projects.ts";

/** A worker with its PostgreSQL, its venue processes and its programs needs about a gigabyte. */
const mostWorkers = 8;

export default defineConfig({
  test: {
    projects: findProjects(import.meta.dirname).map((test) => ({ extends: true, test })),
    pool: "forks",
    maxWorkers: Number(process.env["KEYHOLD_TEST_WORKERS"] ?? Math.min(availableParallelism(), mostWorkers)),
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
