/** Of every AWS client, in milliseconds; the SDK itself would wait without end. */
export const REQUEST_TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 5_000,
  throwOnRequestTimeout: true,
}
