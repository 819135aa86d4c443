import { ok } from "../refusal.ts";
import type { Answer } from "../refusal.ts";

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg },
});

export const data = (data: unknown): Answer => ok({ code: "200000", data });
