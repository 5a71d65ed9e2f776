/**
 * The message of the error that a function threw. Step Functions keeps Lambda's whole answer, a JSON text with the key
 * errorMessage, as the `cause` (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html).
 * @returns `cause` itself if it is no JSON; undefined if it is empty, or its JSON has no such key
 */
export function errorMessageIn(cause = ''): string | undefined {
  try {
    return JSON.parse(cause).errorMessage
  } catch {
    return cause || undefined
  }
}
