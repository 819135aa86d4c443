import { createClient, KeyholdProblem } from "@keyhold/client";
import { operatorScope, scopes } from "../src/access/permissions.ts";
import { idOf, type Stage } from "./stage.ts";
import { type Actor, actors, type Step } from "./step.ts";
import type { Teller } from "./tell.ts";

/** Takes the steps one after the other, over HTTP as any caller would, until one does not come out as expected. */
export async function walk(stage: Stage, teller: Teller, steps: readonly Step[]): Promise<boolean> {
  for (const [at, step] of steps.entries()) {
    let status = 0;
    const keyhold = createClient({
      baseUrl: stage.app.url ?? "",
      token: await tokenOf(stage, step.actor),
      // The reader sees each request once.
      retries: { reads: 0, changes: 0 },
      async fetch(request) {
        await teller.sent(at + 1, step.title, step.actor, request.clone());
        const response = await fetch(request);
        ({ status } = response);
        return response;
      },
    });
    const answer = await step.send(keyhold, stage).then(({ data }) => data, documentOf);
    const judgement = step.judge(stage, status, answer);
    if (judgement === "unexpected") {
      teller.unexpected(status, answer);
      return false;
    }
    teller.cameBack(status, judgement.told);
  }
  return true;
}

function documentOf(error: unknown): unknown {
  if (error instanceof KeyholdProblem) return error.document;
  throw error;
}

/** A token for an hour, as `keyhold token` signs it. */
export async function tokenOf(stage: Stage, actor: Actor): Promise<string> {
  const { localIssuer } = stage.app;
  if (localIssuer === null) throw new Error("the demo signs its own tokens");
  const tenant = actors[actor];
  const who = { subject: actor, ttlSeconds: 3600 };
  if (tenant === null) return localIssuer.mintToken({ ...who, scopes: [operatorScope] });
  return localIssuer.mintToken({ ...who, scopes, tenantId: idOf(stage, tenant) });
}
