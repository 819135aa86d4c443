/**
 * What every answer tells a browser that comes upon it: it is no page, to be neither framed, nor sniffed, nor read by another site.
 * OWASP REST Security Cheat Sheet, "Security Headers". A constant: put together for each answer they cost more than its route.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
