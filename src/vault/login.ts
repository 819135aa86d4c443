import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { VaultAuth } from "../config/stores.ts";
import { throwDenied, throwUnavailable } from "../remote/failure.ts";
import type { Nodes, VaultAnswer } from "./nodes.ts";

/** A token and its lease; 0 seconds is no end. */
export type Lease = Readonly<{ token: string; seconds: number; renewable: boolean }>;

const loginAnswer = z.object({
  auth: z.object({ client_token: z.string().min(1), lease_duration: z.number(), renewable: z.boolean() }),
});
const lookupAnswer = z.object({ data: z.object({ ttl: z.number(), renewable: z.boolean().default(false) }) });

/**
 * Throws `StoreTrouble`: `login` when the server refuses or the secret cannot be read, or what `Nodes`
 * throws.
 */
export async function login(nodes: Nodes, auth: VaultAuth): Promise<Lease> {
  switch (auth.method) {
    case "token":
      return lookUp(nodes, await readSecret(auth.tokenFile));
    case "approle": {
      const body = { role_id: auth.roleId, secret_id: await readSecret(auth.secretIdFile) };
      return enter(nodes, auth.mount ?? "approle", body);
    }
    case "kubernetes":
      return enter(nodes, auth.mount ?? "kubernetes", {
        role: auth.role,
        jwt: await readSecret(auth.jwtFile),
      });
  }
}

/** A new lease for the same token; `null` when the server refuses. */
export async function renew(nodes: Nodes, { token }: Lease): Promise<Lease | null> {
  const answer = await nodes.send({ method: "POST", path: "auth/token/renew-self", token, body: {} });
  return answer.status === 200 ? leaseOf(answer) : null;
}

/** Whether the server knows the token. If it does, the policy is the reason of a refusal. */
export async function isKnown(nodes: Nodes, token: string): Promise<boolean> {
  return (await nodes.send({ method: "GET", path: "auth/token/lookup-self", token })).status === 200;
}

async function enter(nodes: Nodes, mount: string, body: object): Promise<Lease> {
  const answer = await nodes.send({ method: "POST", path: `auth/${mount}/login`, body });
  if (answer.status !== 200) throwDenied("login");
  return leaseOf(answer);
}

async function lookUp(nodes: Nodes, token: string): Promise<Lease> {
  const answer = await nodes.send({ method: "GET", path: "auth/token/lookup-self", token });
  if (answer.status !== 200) throwDenied("token");
  const parsed = lookupAnswer.safeParse(answer.body);
  if (!parsed.success) throwUnavailable("failing");
  const { ttl, renewable } = parsed.data.data;
  return { token, seconds: ttl, renewable };
}

function leaseOf({ body }: VaultAnswer): Lease {
  const parsed = loginAnswer.safeParse(body);
  if (!parsed.success) throwUnavailable("failing");
  const { client_token, lease_duration, renewable } = parsed.data.auth;
  return { token: client_token, seconds: lease_duration, renewable };
}

async function readSecret(path: string): Promise<string> {
  const text = (await readFile(path, "utf8").catch(() => "")).trim();
  return text === "" ? throwDenied("login") : text;
}
