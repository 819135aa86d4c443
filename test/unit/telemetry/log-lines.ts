import { createLog } from "../../../src/telemetry/log.ts";

/** Writes lines as the service does, and ends in the way that its argument names. */
const log = createLog("info");
for (const count of [1, 2, 3]) log.info("a line", { count });
if (process.argv[2] === "exit") process.exit();
if (process.argv[2] === "throw") throw new Error("ended by this");
