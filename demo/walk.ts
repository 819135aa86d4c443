import { operatorScope, scopes } from "../src/access/permissions.ts";
import { idOf, type Stage } from "./stage.ts";
import { type Actor, actors, type Sent, type Step } from "./step.ts";
import type { Teller } from "./tell.ts";

/** Takes the steps one after the other, over HTTP as any caller would, until one does not come out as expected. */
export async function walk(stage: Stage, teller: Teller, steps: readonly Step[]): Promise<boolean> {
  for (const [at, step] of steps.entries()) {
    const sent = step.send(stage);
    teller.sent(at + 1, step.title, step.actor, sent);
    const response = await fetch(
      `${stage.app.url}/api/v1${sent.path}`,
      await initOf(stage, step.actor, sent),
    );
    const { status } = response;
    const answer = await step.read(response);
    const judgement = step.judge(stage, status, answer);
    if (judgement === "unexpected") {
      teller.unexpected(status, answer);
      return false;
    }
    teller.cameBack(status, judgement.told);
  }
  return true;
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

async function initOf(stage: Stage, actor: Actor, { method, body, headers }: Sent): Promise<RequestInit> {
  const authorization = `Bearer ${await tokenOf(stage, actor)}`;
  if (body === undefined) return { method, headers: { authorization, ...headers } };
  return {
    method,
    headers: { authorization, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
}
