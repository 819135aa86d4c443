import { answerOf, at } from "@keyhold/client";
import { fault } from "../../../simulator/faults.ts";
import { pause } from "../attacker.ts";
import { register } from "../tenant.ts";
import type { Way } from "../way.ts";

const rotations = 25;

/** Scheduled rotations at a venue that does not answer. */
export const clockLanes: Way = {
  name: "clock-lanes",
  does: `schedules ${rotations} rotations at a venue that hangs`,
  first: "the steps of one tenant and one parent key are bounded",
  second: "no lane of the clock waits for another",
  // Three rounds of the clock.
  seconds: 200,
  flaw: "rotates-one-after-another",
  async prepare({ site: { simulator }, attacker }) {
    const { control } = simulator;
    await attacker.takeItsTime(async () => {
      const main = { account: "main", permissions: { transfer: true } };
      const parent = await register(attacker.tenant, control.addKey("bybit", main), "parent");
      for (let number = 0; number < rotations; number += 1) {
        const account = `sub-${number}`;
        const key = control.addKey("bybit", { account });
        control.setAccount("bybit", account, { parent: "main" });
        const id = await register(attacker.tenant, key, account);
        const body = { parent_credential_id: parent, every_days: 30, next_at: new Date().toISOString() };
        await answerOf(
          attacker.tenant.keyhold.PUT("/api/v1/credentials/{id}/rotation/schedule", { ...at(id), body }),
        );
      }
    });
  },
  async attack({ site: { simulator } }, until) {
    simulator.control.fail("bybit", fault.hang);
    while (!until.aborted) await pause(1_000, until);
    simulator.control.clearFaults("bybit");
  },
};
