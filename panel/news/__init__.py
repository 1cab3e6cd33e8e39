"""What happened for a customer: the bell in the pages, the page of news, and the mails that they chose."""
