import type { Answer } from "../refusal.ts";

export const refuse = (status: number, code: number, msg: string): Answer => ({
  status,
  body: { code, msg },
});
