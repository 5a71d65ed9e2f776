/**
 * Sets what Lambda sets for a function, and `more`. The functions' modules read it as they load, so they are loaded
 * after it.
 */
export function setLambdaEnvironment(more: Record<string, string>): void {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    ...more,
  })
}
