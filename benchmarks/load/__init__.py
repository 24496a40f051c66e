"""What policyc generates under load, beside what an expert writes by hand for the same job."""
