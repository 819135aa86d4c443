import type { Answer } from "../refusal.ts";

export const refuse = (status: number, label: string, message: string): Answer => ({
  status,
  body: { label, message },
});
