/**
 * The client of Step Functions, and what is asked of it, for those who load it when they use it. Of a package that is
 * imported so, a bundle has to take the whole; of this file, what it names.
 */
export {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  paginateGetExecutionHistory,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
