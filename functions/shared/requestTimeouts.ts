/** Timeouts of the AWS clients of all functions but raiseAlarm, in milliseconds. The SDK has no request timeout by default. */
export const REQUEST_TIMEOUTS = {
  connectionTimeout: 2_000,
  requestTimeout: 5_000,
  throwOnRequestTimeout: true,
}
