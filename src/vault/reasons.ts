import type { UnavailableReason } from "../stores/store.ts";

/**
 * Why an answer with this status is none; `null` for an answer. 412, 472 and 473 come from standbys of replicated clusters that
 * cannot serve the request just now (Vault's API documentation, "HTTP status codes" and "sys/health").
 */
export function reasonOfStatus(status: number, text: string): UnavailableReason | null {
  if (status === 429) return "overloaded";
  if (status === 501 || (status === 503 && / is sealed/.test(text))) return "sealed";
  if (status >= 500 || [412, 472, 473].includes(status) || (status >= 300 && status < 400)) return "failing";
  return null;
}
