import { readConfig } from "../src/config/config.ts";
import { checkDue } from "../src/credentials/check.ts";
import { openCustody } from "../src/open-custody.ts";
import { createLog } from "../src/telemetry/log.ts";
import { answer } from "./answer.ts";
import { type ChecksJob, checksJob, type ChecksResult } from "./checks.ts";

/** A worker that does nothing but check credentials, round after round, until a round finds none that is due. */
async function check({ environment, pace }: ChecksJob): Promise<ChecksResult> {
  const open = await openCustody(readConfig(environment), createLog("silent"));
  try {
    const startedAt = Date.now();
    let [done, failed] = [0, 0];
    for (;;) {
      const round = await checkDue(open.custody, pace);
      done += round.done;
      failed += round.failed;
      if (round.done === 0) return { done, failed, startedAt, endedAt: Date.now() };
    }
  } finally {
    await open.close();
  }
}

await answer(async (job) => check(checksJob.parse(job)));
